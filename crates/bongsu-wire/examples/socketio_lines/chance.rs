//! Chance from a seed: the same seed, the same lines.

/// A stream of numbers (splitmix64).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("below a usize")
    }

    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    pub(crate) fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1))
            .map(|_| self.next().to_le_bytes()[0])
            .collect()
    }

    /// A text of all kinds of characters.
    pub(crate) fn text(&mut self) -> String {
        const PIECES: [&str; 20] = [
            "a", "Z", "0", "9", " ", "\"", "\\", "\n", "\\n", "\t", "\u{1}", "/", ",", ":", "é", "가", "각",
            "😀", "\u{2028}", "\u{ff}",
        ];
        (0..self.below(9)).map(|_| self.of(&PIECES)).collect()
    }
}
