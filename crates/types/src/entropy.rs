/// A source of unpredictable bytes, handed in by whoever runs a decision.
///
/// In the product this is the operating system's generator; in tests it is seeded.
pub trait Entropy {
    /// Fills `buffer` with unpredictable bytes.
    fn fill(&mut self, buffer: &mut [u8]);
}

impl<E: Entropy + ?Sized> Entropy for &mut E {
    fn fill(&mut self, buffer: &mut [u8]) {
        (**self).fill(buffer);
    }
}
