//! A campaign: who gets what, and when; and the decision for one person.
//!
//! In: a profile, a trigger and `now`. Out: a [`Delivery`] to be made, or the
//! reason it is not. Every decision is recorded, the refusals too.

use serde::{Deserialize, Serialize};

use crate::id::ProfileKey;
use crate::profile::{Contact, Profile, hash};
use crate::time::{Span, Timestamp};

/// A campaign as marketers define it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    /// Its name.
    pub name: Box<str>,
    /// What starts a message.
    pub trigger: Trigger,
    /// Only for members of this segment; `None` for everybody.
    pub audience: Option<Box<str>>,
    /// The template's name.
    pub template: Box<str>,
    /// The destination's name.
    pub destination: Box<str>,
    /// The products recommended: a strategy's name.
    pub recommend: Option<Box<str>>,
    /// Bounds and permissions.
    pub limits: Limits,
    /// Paused campaigns decide nothing.
    pub active: bool,
}

/// What starts a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "on")]
pub enum Trigger {
    /// A person enters a segment.
    Enter {
        /// The segment.
        segment: Box<str>,
    },
    /// A person leaves a segment.
    Exit {
        /// The segment.
        segment: Box<str>,
    },
    /// A person does something.
    Event {
        /// The event type; derived events too.
        event_type: Box<str>,
    },
    /// At set times, for all members of the audience.
    Schedule {
        /// A cron expression of five fields, or six with seconds first.
        cron: Box<str>,
        /// An IANA time zone.
        time_zone: Box<str>,
    },
    /// One time, for all members of the audience.
    Once {
        /// When; in the past means at once.
        at: Timestamp,
    },
}

/// How often, to whom, and with whose leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// At most this many messages of all campaigns a person in `cap_window`; 0 = no cap.
    pub cap: u32,
    /// The window of `cap`.
    pub cap_window: Span,
    /// No second message of this campaign within this span; zero = no rest.
    pub rest: Span,
    /// The consent that must not be refused, or must be given if `consent_required`.
    pub consent: Option<Box<str>>,
    /// Whether silence counts as no.
    pub consent_required: bool,
    /// Percent of people who get nothing, for measuring: 0..=100.
    pub holdout_percent: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cap: 0,
            cap_window: Span::DAY,
            rest: Span::ZERO,
            consent: Some("email".into()),
            consent_required: false,
            holdout_percent: 0,
        }
    }
}

/// Names one delivery for ever: derived from what caused it, so that a replay
/// or a retry can never make a second one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct DeliveryId(pub u128);

impl std::fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "d{:032x}", self.0)
    }
}

impl DeliveryId {
    /// Reads back the displayed form.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('d').filter(|digits| digits.len() == 32)?;
        u128::from_str_radix(digits, 16).ok().map(Self)
    }

    /// The id for a campaign's message to a person for a cause.
    fn derive(campaign: &str, profile: &ProfileKey, cause: &str) -> Self {
        let mut text = Vec::new();
        for part in [campaign.as_bytes(), &profile.to_bytes(), cause.as_bytes()] {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part);
        }
        let high = hash(&text);
        text.push(1);
        let low = hash(&text);
        Self(u128::from(high) << 64 | u128::from(low))
    }
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// To be delivered.
    Send,
    /// The person refused, or did not give, the consent.
    NoConsent,
    /// There is no address to send to.
    NoAddress,
    /// Enough messages lately.
    Capped,
    /// The person is in the holdout.
    HeldOut,
}

/// A message decided on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its name for ever.
    pub id: DeliveryId,
    /// The campaign's name.
    pub campaign: Box<str>,
    /// To whom.
    pub profile: ProfileKey,
    /// What caused it: `entered Lapsed buyers v2 at …`, `event e17`.
    pub cause: Box<str>,
    /// The event behind it, when there is one.
    pub event_id: Option<Box<str>>,
    /// When the event behind it was accepted, for measuring; else `decided_at`.
    pub caused_at: Timestamp,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// What was decided.
    pub decision: Decision,
}

/// What started it.
#[derive(Clone, Debug)]
pub struct Cause<'a> {
    /// Unique among this campaign's causes for the person.
    pub key: &'a str,
    /// The event behind it.
    pub event_id: Option<&'a str>,
    /// When that event was accepted.
    pub caused_at: Timestamp,
}

/// Contacts kept a profile: enough for any sensible cap.
const CONTACTS_KEPT: usize = 64;

/// Decides one message, and remembers it on the profile when it is sent.
pub fn decide(
    profile: &mut Profile,
    campaign_id: u32,
    campaign: &Campaign,
    cause: &Cause<'_>,
    now: Timestamp,
) -> Delivery {
    let decision = judge(profile, campaign_id, campaign, now);
    if decision == Decision::Send {
        profile.contacts.push(Contact { campaign: campaign_id, at: now });
        if profile.contacts.len() > CONTACTS_KEPT {
            profile.contacts.remove(0);
        }
    }
    Delivery {
        id: DeliveryId::derive(&campaign.name, &profile.key, cause.key),
        campaign: campaign.name.clone(),
        profile: profile.key.clone(),
        cause: cause.key.into(),
        event_id: cause.event_id.map(Into::into),
        caused_at: cause.caused_at,
        decided_at: now,
        decision,
    }
}

fn judge(profile: &Profile, campaign_id: u32, campaign: &Campaign, now: Timestamp) -> Decision {
    let limits = &campaign.limits;
    if let Some(purpose) = &limits.consent {
        let consent = profile.consent(purpose);
        if consent == Some(false) || (limits.consent_required && consent.is_none()) {
            return Decision::NoConsent;
        }
    }
    if profile.trait_value("email").and_then(|value| value.as_text()).is_none() {
        return Decision::NoAddress;
    }
    if held_out(profile, campaign) {
        return Decision::HeldOut;
    }
    let since = |span: Span| move |contact: &&Contact| contact.at > now - span;
    let capped = limits.cap > 0
        && profile.contacts.iter().filter(since(limits.cap_window)).count() >= limits.cap as usize;
    let resting = limits.rest > Span::ZERO
        && profile.contacts.iter().filter(since(limits.rest)).any(|contact| contact.campaign == campaign_id);
    if capped || resting { Decision::Capped } else { Decision::Send }
}

/// A person's place among the hundred is fixed for a campaign by their key.
fn held_out(profile: &Profile, campaign: &Campaign) -> bool {
    if campaign.limits.holdout_percent == 0 {
        return false;
    }
    let mut key = campaign.name.as_bytes().to_vec();
    key.push(0);
    key.extend(profile.key.to_bytes());
    let hash = hash(&key);
    (hash ^ (hash >> 32)) % 100 < u64::from(campaign.limits.holdout_percent)
}
