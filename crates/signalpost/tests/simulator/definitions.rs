//! What marketers define, change and take away while all else goes on.

use std::collections::BTreeMap;

use signalpost_core::campaign::{Campaign, Limits, Trigger};
use signalpost_core::program::Defined;
use signalpost_core::time::{Span, Timestamp};

use crate::chance::Chance;

/// Segments, and the texts each may have.
const SEGMENTS: &[(&str, &[&str])] = &[
    (
        "Abandoned",
        &[
            "IF event_type = 'cart_abandonment' AND event_time >= now() - 24 hours THEN assign to 'Abandoned'",
            "IF event_type = 'cart_abandonment' AND event_time >= now() - 90 minutes THEN assign to 'Abandoned'",
        ],
    ),
    (
        "Viewers",
        &[
            "IF event_type = 'product_view' THEN assign to 'Viewers'",
            "SELECT customer_id FROM customer_data WHERE product_view_count_7d >= 2",
        ],
    ),
    (
        "Full cart",
        &[
            "SELECT customer_id FROM customer_data WHERE cart_items > 0",
            "SELECT customer_id FROM customer_data WHERE cart_items > 1",
        ],
    ),
    (
        "Spenders",
        &[
            "SELECT customer_id FROM customer_data WHERE total_spent > 100",
            "SELECT customer_id FROM customer_data WHERE (SELECT sum(total) FROM events WHERE event_type = \
             'purchase' AND event_time >= now() - 3 days) > 50",
        ],
    ),
    ("Lapsed", &["SELECT customer_id FROM customer_data WHERE rfm_recency >= 2"]),
    (
        "Young in NYC",
        &["SELECT customer_id FROM customer_data WHERE age BETWEEN 25 AND 35 AND location = 'NYC' AND \
           recent_view_category = 'Shoes'"],
    ),
    (
        "Undecided",
        &[
            "IF event_type = 'add_to_cart' AND event_time >= now() - 6 hours AND NOT EXISTS (SELECT 1 FROM events \
           WHERE event_type = 'purchase' AND event_time >= now() - 6 hours) THEN assign to 'Undecided'",
        ],
    ),
    // Two that are told by others, which may be defined before or after them.
    (
        "Only looking",
        &[
            "SELECT customer_id FROM customer_data WHERE product_view_count > 0 AND NOT in_segment('Full cart')",
        ],
    ),
    (
        "Regulars",
        &[
            "SELECT customer_id FROM customer_data WHERE in_segment('Viewers') AND NOT in_segment('Only looking')",
        ],
    ),
    ("Lost", &["IF event_type = 'cart_lost' AND event_time >= now() - 2 days THEN assign to 'Lost'"]),
];

/// The last waits for what the first makes.
const SEQUENCES: &[&str] = &[
    "AFTER add_to_cart WITHOUT purchase WITHIN 1 hour EMIT cart_abandonment",
    "AFTER product_view WITHOUT add_to_cart WITHIN 30 minutes MATCHING product_id EMIT browse_abandonment",
    "AFTER cart_abandonment WITHOUT purchase WITHIN 1 day EMIT cart_lost",
];

/// What is defined so far.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    versions: BTreeMap<&'static str, u32>,
}

impl Definitions {
    /// The next change.
    pub(crate) fn next(&mut self, chance: &mut Chance, now: Timestamp) -> Defined {
        let (name, texts) = *chance.pick(SEGMENTS);
        match chance.below(20) {
            0..10 => {
                let version = self.versions.entry(name).or_default();
                *version += 1;
                Defined::Segment {
                    name: name.into(),
                    version: *version,
                    text: (*chance.pick(texts)).into(),
                    traits: ["email", "age", "location"].map(Into::into).into(),
                    properties: ["category", "price", "total", "order_id", "quantity"].map(Into::into).into(),
                }
            }
            10 => Defined::SegmentRemoved { name: name.into() },
            11..14 => Defined::Sequence { text: (*chance.pick(SEQUENCES)).into() },
            14 => Defined::CampaignRemoved { name: campaign(chance, name, now).name },
            _ => Defined::Campaign(campaign(chance, name, now)),
        }
    }
}

fn campaign(chance: &mut Chance, segment: &str, now: Timestamp) -> Campaign {
    let (name, trigger, audience) = match chance.below(7) {
        0 => ("mail welcome", Trigger::Enter { segment: segment.into() }, None),
        1 => ("hook entered", Trigger::Enter { segment: segment.into() }, None),
        2 => ("hook left", Trigger::Exit { segment: segment.into() }, None),
        3 => ("mail cart", Trigger::Event { event_type: "cart_abandonment".into() }, None),
        4 => ("hook thanks", Trigger::Event { event_type: "purchase".into() }, None),
        5 => {
            let trigger = Trigger::Schedule { cron: "0 */6 * * *".into(), time_zone: "Europe/Rome".into() };
            ("mail digest", trigger, Some(segment.into()).filter(|_| chance.percent(80)))
        }
        _ => {
            let at = now + Span::MINUTE.times(i64::try_from(chance.below(600)).unwrap());
            ("hook once", Trigger::Once { at }, Some(segment.into()))
        }
    };
    Campaign {
        name: name.into(),
        trigger,
        audience,
        template: "t".into(),
        destination: "d".into(),
        recommend: None,
        limits: Limits {
            cap: *chance.pick(&[0, 0, 3]),
            rest: *chance.pick(&[Span::ZERO, Span::ZERO, Span::HOUR]),
            holdout_percent: *chance.pick(&[0, 0, 20]),
            ..Limits::default()
        },
        active: chance.percent(95),
    }
}
