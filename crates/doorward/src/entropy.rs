use doorward_types::Entropy;

/// The operating system's generator.
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, buffer: &mut [u8]) {
        aws_lc_rs::rand::fill(buffer).expect("the operating system's generator works");
    }
}

/// The operating system's generator, for whoever takes a maker of one.
pub(crate) fn system() -> Box<dyn Entropy> {
    Box::new(SystemEntropy)
}
