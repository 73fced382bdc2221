//! What a dialect cannot say, gathered while a request is encoded.

/// Names, each once, in the order in which they came up.
#[derive(Debug, Default)]
pub(crate) struct Unsaid(Vec<&'static str>);

impl Unsaid {
    pub(crate) fn note(&mut self, name: &'static str) {
        if !self.0.contains(&name) {
            self.0.push(name);
        }
    }

    pub(crate) fn names(self) -> Vec<&'static str> {
        self.0
    }
}
