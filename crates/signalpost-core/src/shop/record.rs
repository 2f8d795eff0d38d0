//! A request before it is written out: small, so that a run of any length is
//! held in little memory, and counted without building JSON.

use super::Fault;
use super::people::Line;

/// Set in [`Record::sender`] for crawlers; visitors are numbered below it.
pub(super) const CRAWLER: u32 = 1 << 31;
/// Set in [`Record::number`] for the broken double of an event.
pub(super) const DOUBLE: u32 = 1 << 31;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Identify,
    PageView(Page),
    ProductView(usize),
    /// A category searched for, and which of its words.
    Search(usize, usize),
    AddToCart(Line),
    RemoveFromCart(Line),
    /// Pieces in the cart, and cents for all of them.
    CheckoutStarted(u32, i64),
    /// The number of the visitor's order, and one of its lines.
    Purchase(u32, Line),
    Return(u32, Line),
    NewsletterSignup,
    EmailOpen,
    EmailClick,
}

impl Act {
    /// The `event_type` it is sent as.
    pub(super) const fn event_type(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::PageView(_) => "page_view",
            Self::ProductView(_) => "product_view",
            Self::Search(..) => "search",
            Self::AddToCart(_) => "add_to_cart",
            Self::RemoveFromCart(_) => "remove_from_cart",
            Self::CheckoutStarted(..) => "checkout_started",
            Self::Purchase(..) => "purchase",
            Self::Return(..) => "return",
            Self::NewsletterSignup => "newsletter_signup",
            Self::EmailOpen => "email_open",
            Self::EmailClick => "email_click",
        }
    }

    /// Whether it is reported by the mailing service, which knows a customer
    /// but no device.
    pub(super) const fn is_mail(self) -> bool {
        matches!(self, Self::EmailOpen | Self::EmailClick)
    }
}

/// A page that is not a product's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Home,
    Category(usize),
    Cart,
    Shipping,
}

/// How a visit came about; kept in the context of all its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Direct,
    SearchEngine,
    SearchAd,
    SocialAd,
    Newsletter,
}

/// What the pipeline must make of it; [`super::Truth`] without the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Clean,
    Late,
    Duplicate,
    Bot,
    Broken(Fault),
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// When it is sent, in ms since the epoch.
    pub(super) at: i64,
    /// When the event it carries was first sent: what `sent_at` tells, by a
    /// right clock.
    pub(super) sent: i64,
    /// When it happened, by a right clock, as exactly as the device tells.
    pub(super) time: i64,
    /// The visitor's number, or a crawl's with [`CRAWLER`].
    pub(super) sender: u32,
    /// The visitor's device; for a crawl, its place among the crawlers.
    pub(super) device: u8,
    /// Counts the sender's events.
    pub(super) number: u32,
    /// Whether it carries the customer's id.
    pub(super) named: bool,
    pub(super) arrival: Arrival,
    pub(super) act: Act,
    pub(super) mark: Mark,
}
