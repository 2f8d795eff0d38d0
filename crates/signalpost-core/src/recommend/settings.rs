//! What a shop may tune about recommendations, and every limit they keep to.

use std::fmt;
use std::sync::Arc;

use crate::id::ProductId;
use crate::time::Span;

/// How the model learns. The defaults suit a shop of up to a million products.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Event types that are a look at a product. Default: `product_view`.
    pub view_types: Vec<Box<str>>,
    /// Event types that put a product in the cart. Default: `add_to_cart`.
    pub cart_types: Vec<Box<str>>,
    /// Event types that buy a product. Default: `purchase`.
    pub purchase_types: Vec<Box<str>>,
    /// How much an event of each kind adds to a product's trend.
    pub weights: Weights,
    /// After how long an event counts half in a trend. Default 24 hours, at least
    /// a second.
    pub half_life: Span,
    /// The longest silence within one session. Default 30 minutes. The longest
    /// span there is makes all of a person's views one session.
    pub session_gap: Span,
    /// The longest silence between purchases of one person without an order id
    /// that still make one basket. Default 1 hour.
    pub purchase_gap: Span,
    /// The most distinct products of a session. A larger one is a robot's and
    /// counts nothing. Default 50: every product of a session is counted with
    /// every other, so the work of an event grows with this.
    pub session_max: usize,
    /// The most distinct products of an order. A larger one is a stock transfer
    /// and counts nothing. Default 2,048.
    pub basket_max: usize,
    /// The most distinct pairs kept, for orders and for sessions each. Past it the
    /// rarest pairs are dropped, down to three quarters; of equally rare ones,
    /// which go is decided by a hash of their ids. A pair takes about 28 bytes.
    /// Default 4,000,000.
    pub pairs_max: usize,
    /// The most orders, sessions and purchases without an order, of each, that
    /// stay open for late events. Past it the quarter that has been still the
    /// longest is closed. Default 100,000.
    pub baskets_max: usize,
    /// The most distinct products; events of further ones are not learnt from.
    /// Default 1,000,000.
    pub products_max: usize,
    /// Which products count at all: not postage, say. Default: every one.
    pub filter: ProductFilter,
}

/// How much an event adds to a product's trend at the moment it happens. 0 for
/// not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// A look at it. Default 1.
    pub view: u32,
    /// Putting it in the cart. Default 3.
    pub cart: u32,
    /// Buying it. Default 5.
    pub purchase: u32,
}

impl Default for Weights {
    fn default() -> Self {
        Self { view: 1, cart: 3, purchase: 5 }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            view_types: vec!["product_view".into()],
            cart_types: vec!["add_to_cart".into()],
            purchase_types: vec!["purchase".into()],
            weights: Weights::default(),
            half_life: Span::DAY,
            session_gap: Span::MINUTE.times(30),
            purchase_gap: Span::HOUR,
            session_max: 50,
            basket_max: 2_048,
            pairs_max: 4_000_000,
            baskets_max: 100_000,
            products_max: 1_000_000,
            filter: ProductFilter::default(),
        }
    }
}

type Allows = dyn Fn(&ProductId) -> bool + Send + Sync;

/// Says which products are learnt from.
#[derive(Clone, Default)]
pub struct ProductFilter(Option<Arc<Allows>>);

impl ProductFilter {
    /// Only products for which `allows` is true.
    pub fn new(allows: impl Fn(&ProductId) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(allows)))
    }

    /// Whether `id` is learnt from.
    pub fn allows(&self, id: &ProductId) -> bool {
        self.0.as_ref().is_none_or(|allows| allows(id))
    }
}

impl fmt::Debug for ProductFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "ProductFilter(some)" } else { "ProductFilter(all)" })
    }
}
