//! A Bloom filter in blocks of one cache line: an identity that is not in a
//! run is told so, but for about one in two hundred, without touching the disk.
//!
//! Identities are uniform already (parts of SHA-256 or XXH3), so their own
//! bits choose the block and the bits within it (Putze, Sanders, Singler:
//! "Cache-, Hash- and Space-Efficient Bloom Filters", 2007).

/// Bits a held identity.
const BITS_EACH: usize = 12;
/// Words of 64 bits in a block: 512 bits.
const BLOCK_WORDS: usize = 8;
/// Bits set a held identity, nine bits of the identity for each.
const PROBES: u32 = 7;

/// A set of identities that may hold a few more than were put in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filter {
    blocks: Vec<[u64; BLOCK_WORDS]>,
}

impl Filter {
    /// An empty one for `expected` identities.
    pub(super) fn new(expected: usize) -> Self {
        let blocks = (expected * BITS_EACH).div_ceil(BLOCK_WORDS * 64).max(1);
        Self { blocks: vec![[0; BLOCK_WORDS]; blocks] }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the product's high half is below the number of blocks"
    )]
    fn block_of(&self, identity: u128) -> usize {
        let low = identity & u128::from(u64::MAX);
        ((low * self.blocks.len() as u128) >> 64) as usize
    }

    /// Word and bit of each probe.
    fn bits(identity: u128) -> impl Iterator<Item = (usize, u64)> {
        let high = (identity >> 64) as u64;
        (0..PROBES).map(move |probe| {
            let nine = high >> (9 * probe) & 511;
            ((nine >> 6) as usize, 1 << (nine & 63))
        })
    }

    /// Puts one in.
    pub(super) fn insert(&mut self, identity: u128) {
        let block = self.block_of(identity);
        let Some(words) = self.blocks.get_mut(block) else { return };
        for (word, bit) in Self::bits(identity) {
            if let Some(word) = words.get_mut(word) {
                *word |= bit;
            }
        }
    }

    /// Whether it may be in; `false` is certain.
    pub(super) fn may_hold(&self, identity: u128) -> bool {
        self.blocks.get(self.block_of(identity)).is_none_or(|words| {
            Self::bits(identity).all(|(word, bit)| words.get(word).is_some_and(|word| word & bit != 0))
        })
    }

    /// Its words, for the disk.
    pub(super) fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.blocks.iter().flatten().copied()
    }

    /// From what [`Filter::words`] gave; `None` when that is not whole blocks.
    pub(super) fn from_words(words: impl Iterator<Item = u64>) -> Option<Self> {
        let mut blocks = Vec::new();
        let mut block = [0; BLOCK_WORDS];
        let mut held = 0;
        for word in words {
            if let Some(place) = block.get_mut(held) {
                *place = word;
            }
            held += 1;
            if held == BLOCK_WORDS {
                blocks.push(block);
                held = 0;
            }
        }
        (held == 0 && !blocks.is_empty()).then_some(Self { blocks })
    }
}
