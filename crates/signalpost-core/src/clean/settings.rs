//! What a source of events wants of its cleaning: settings only, no behaviour.
//!
//! In: TOML or JSON, every key optional. Out: [`SourceSettings`] and [`Limits`].

use serde::{Deserialize, Serialize};

use super::plan::Unplanned;
use crate::id::SourceId;
use crate::time::{Span, Timestamp};

/// What a source wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceSettings {
    /// The source's name.
    pub id: SourceId,
    /// IANA name of the zone of times that name none. Default `UTC`.
    pub time_zone: String,
    /// How `04/05/2024` is meant. Default: unknown, so such a time is refused.
    pub date_order: DateOrder,
    /// How product ids are brought to one form.
    pub product_ids: ProductIdPolicy,
    /// ISO 4217 code of amounts that name none, where the event has no
    /// `properties.currency`. Default: none.
    pub currency: Option<String>,
    /// How `1,234` is meant. Default: unknown, so such an amount is refused.
    pub decimal_mark: DecimalMark,
    /// Two events of equal content this close together are one. Default 2 s.
    pub fingerprint_window: Span,
    /// Which events are compared by content. Default: those without an id.
    pub fingerprint_scope: FingerprintScope,
    /// Which kinds of values are brought to one form.
    pub normalise: Normalise,
    /// ISO 3166-1 code of the country whose national phone numbers this source
    /// sends. Default: none, so only international ones are read.
    pub phone_region: Option<String>,
    /// Whether what automatons did is told apart: marked, or quarantined where
    /// `mark_bots` is off. Default true.
    pub filter_bots: bool,
    /// Whether what automatons did is kept with its kind and the reasons in
    /// `context.bot`, out of every profile and segment, instead of being
    /// quarantined. Default true.
    pub mark_bots: bool,
    /// More events than this of one person or device within ten seconds, sent by
    /// a browser, are an automaton's; 0 counts nothing. Default 500.
    pub rate_max: u32,
    /// What becomes of the events of browsers that ask not to have their data
    /// sold or shared (`Sec-GPC: 1`, `context.gpc`). Default: flagged.
    pub gpc: OptOut,
    /// How strict the tracking plan is with this source. Default: as the plan
    /// says.
    pub plan: PlanMode,
    /// What becomes of this source's events of types the plan does not have.
    /// Default: as the plan says.
    pub unplanned: Option<Unplanned>,
    /// How much may be kept of what cleaning changed in an event, in bytes; 0
    /// keeps nothing. Default 2,048.
    pub lineage_bytes: usize,
    /// Whether requests made by HTTP libraries (curl, python-requests) and by
    /// programs of no known name count as automatons. Default false, for sources
    /// whose key a server holds; true suits pixels and browser keys.
    pub drop_http_libraries: bool,
    /// Times before this are quarantined. Default 2000-01-01.
    pub earliest: Timestamp,
    /// Times further ahead of receipt than this are quarantined. Default 24 h.
    pub max_ahead: Span,
    /// A sender's clock is corrected by `sent_at` when it differs from ours by
    /// more than this, which is what a slow network may explain. Default 5 s.
    pub clock_tolerance: Span,
    /// Further identity values that mean "nobody", compared without case.
    /// Default: none beyond [`super::text::is_placeholder_id`].
    pub placeholder_ids: Vec<String>,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self {
            id: SourceId::from("default"),
            time_zone: "UTC".to_owned(),
            date_order: DateOrder::Unknown,
            product_ids: ProductIdPolicy::default(),
            currency: None,
            decimal_mark: DecimalMark::Unknown,
            fingerprint_window: Span::SECOND.times(2),
            fingerprint_scope: FingerprintScope::WithoutEventId,
            normalise: Normalise::default(),
            phone_region: None,
            filter_bots: true,
            mark_bots: true,
            rate_max: 500,
            gpc: OptOut::default(),
            plan: PlanMode::default(),
            unplanned: None,
            lineage_bytes: 2_048,
            drop_http_libraries: false,
            earliest: Timestamp::from_micros(946_684_800_000_000),
            max_ahead: Span::DAY,
            clock_tolerance: Span::SECOND.times(5),
            placeholder_ids: Vec::new(),
        }
    }
}

/// Which kinds of values are brought to one form, beyond e-mail addresses and
/// amounts, which always are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Normalise {
    /// Phone numbers to E.164. Default true.
    pub phone: bool,
    /// Countries to ISO 3166-1 alpha-2: `Germany` is `DE`. Default false,
    /// because rules may compare with names.
    pub country: bool,
    /// Languages to BCP 47: `pt_br` is `pt-BR`. Default false.
    pub language: bool,
    /// Currencies to ISO 4217: `eur` and `€` are `EUR`. Default true.
    pub currency: bool,
    /// Addresses of pages: tracking parameters out, `utm_` ones to
    /// `context.campaign`. Default true.
    pub link: bool,
    /// Whether `jane+news@example.com` is `jane@example.com`. Default false.
    pub strip_plus_addresses: bool,
}

impl Default for Normalise {
    fn default() -> Self {
        Self {
            phone: true,
            country: false,
            language: false,
            currency: true,
            link: true,
            strip_plus_addresses: false,
        }
    }
}

/// The order of day and month where the text itself does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    /// Not known: refuse what could be read both ways.
    #[default]
    Unknown,
    /// `04/05/2024` is 4 May.
    DayFirst,
    /// `04/05/2024` is 5 April.
    MonthFirst,
}

/// The mark before an amount's fraction where the text itself does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecimalMark {
    /// Not known: refuse what could be read both ways.
    #[default]
    Unknown,
    /// `1,234` is one thousand two hundred and thirty-four.
    Point,
    /// `1,234` is one and a bit.
    Comma,
}

/// Which events are compared by content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FingerprintScope {
    /// Only those that came without an id.
    #[default]
    WithoutEventId,
    /// All: some senders give a retried event a new id.
    All,
}

/// What becomes of the events of browsers that ask not to have their data sold
/// or shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptOut {
    /// They are taken, and the person is flagged.
    #[default]
    Flag,
    /// They are counted and let go: nothing of them is kept.
    Drop,
}

/// How strict the tracking plan is with a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanMode {
    /// As the plan says for each type.
    #[default]
    AsPlanned,
    /// The plan is not asked.
    Off,
    /// What differs is kept with a remark, whatever the plan says.
    Warn,
    /// What differs is quarantined, whatever the plan says.
    Strict,
}

/// How product ids are brought to one form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProductIdPolicy {
    /// Whether ids are blind to case (`a1x2` is `A1X2`). Default true.
    pub fold_case: bool,
    /// Whose ids bare numbers are. Default: nobody's in particular.
    pub vendor: Option<Vendor>,
    /// Whether numbers with a fitting check digit become `gtin:…`. Default true.
    pub recognise_gtin: bool,
    /// Whether `%2D` means `-`, as in ids taken from addresses. Default true.
    pub percent_decoding: bool,
}

impl Default for ProductIdPolicy {
    fn default() -> Self {
        Self { fold_case: true, vendor: None, recognise_gtin: true, percent_decoding: true }
    }
}

/// A shop system whose bare numeric ids are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// Shopify: a bare number is a product.
    Shopify,
}

/// The bounds of one request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most events in one body. Default 50,000.
    pub events_max: usize,
    /// Most bytes of one event's JSON. Default 262,144 (256 KiB).
    pub event_bytes_max: usize,
    /// Most levels of objects and lists in one event, itself counted; at most
    /// 120. Default 64.
    pub depth_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { events_max: 50_000, event_bytes_max: 256 * 1024, depth_max: 64 }
    }
}
