//! Finds out when JSON that comes in pieces is whole.

/// What has come of an object or a list so far.
#[derive(Debug, Default)]
pub(crate) struct Balance {
    depth: usize,
    is_text: bool,
    is_escaped: bool,
    is_whole: bool,
}

impl Balance {
    /// Takes the next piece.
    pub(crate) fn read(&mut self, piece: &str) {
        for byte in piece.bytes() {
            if std::mem::take(&mut self.is_escaped) {
                continue;
            }
            match (byte, self.is_text) {
                (b'\\', true) => self.is_escaped = true,
                (b'"', is_text) => self.is_text = !is_text,
                (b'{' | b'[', false) => self.depth += 1,
                (b'}' | b']', false) => {
                    self.depth = self.depth.saturating_sub(1);
                    self.is_whole |= self.depth == 0;
                }
                _ => {}
            }
        }
    }

    /// Whether all that was opened has been closed.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_whole_with_its_last_brace() {
        let mut balance = Balance::default();
        for piece in ["{\"a", "}\\", "\"}\":[", "{}", "]"] {
            balance.read(piece);
            assert!(!balance.is_whole(), "{piece}");
        }
        balance.read("}");
        assert!(balance.is_whole());
    }
}
