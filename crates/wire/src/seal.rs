//! Seals of one issuer, carried through a dialect that another one's client speaks.
//!
//! A packed seal is base64, so that it fits where a dialect wants bytes; its beginning tells it from a vendor's own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chat::Seal;

/// What a packed seal says first. Its length divides by three, so that its base64 is the same whatever follows.
const MARK: &[u8; 12] = b"impresario1:";
/// What a packed seal begins with.
pub const PREFIX: &str = "aW1wcmVzYXJpbzE6";
/// The most bytes of an issuer's name.
const MAX_ISSUER: usize = u8::MAX as usize;

/// The seal as a text that any dialect carries; one without an issuer is carried as it is.
pub fn pack(seal: &Seal) -> String {
    let Some(issuer) = seal.issuer.as_deref().filter(|issuer| issuer.len() <= MAX_ISSUER) else {
        return seal.value.clone();
    };
    let mut bytes = Vec::with_capacity(MARK.len() + 2 + issuer.len() + seal.value.len());
    bytes.extend_from_slice(MARK);
    bytes.push(u8::from(seal.whole));
    bytes.push(u8::try_from(issuer.len()).expect("a longer one was passed by"));
    bytes.extend_from_slice(issuer.as_bytes());
    bytes.extend_from_slice(seal.value.as_bytes());
    STANDARD.encode(bytes)
}

/// A text that is packed and seals nothing: what stands under it is ours, and for nobody else.
pub(crate) fn mark() -> String {
    pack(&Seal { issuer: Some(String::new()), value: String::new(), whole: true })
}

/// The seal of a text: one of a known issuer if it was packed, else the text itself, from nobody known.
pub fn unpack(text: &str, whole: bool) -> Seal {
    packed(text).unwrap_or_else(|| Seal { issuer: None, value: text.to_owned(), whole })
}

fn packed(text: &str) -> Option<Seal> {
    if !text.starts_with(PREFIX) {
        return None;
    }
    let bytes = STANDARD.decode(text).ok()?;
    let (whole, rest) = bytes.strip_prefix(MARK)?.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (issuer, value) = rest.split_at_checked(usize::from(*length))?;
    Some(Seal {
        issuer: Some(std::str::from_utf8(issuer).ok()?.to_owned()),
        value: std::str::from_utf8(value).ok()?.to_owned(),
        whole: *whole == 1,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(issuer in ".{0,60}", value in ".{0,200}", whole: bool) {
            let seal = Seal { issuer: Some(issuer), value, whole };
            let text = pack(&seal);
            prop_assert!(text.starts_with(PREFIX));
            prop_assert_eq!(unpack(&text, !whole), seal);
        }

        #[test]
        fn a_vendors_own_stays_what_it_is(value in ".{0,200}", whole: bool) {
            let seal = Seal { issuer: None, value: value.clone(), whole };
            prop_assert_eq!(pack(&seal), value.clone());
            prop_assert_eq!(unpack(&value, whole), seal);
        }
    }

    #[test]
    fn what_only_looks_packed_is_a_vendors_own() {
        for text in [PREFIX.to_owned(), format!("{PREFIX}!!"), format!("{PREFIX}AP8=")] {
            assert_eq!(unpack(&text, false), Seal { issuer: None, value: text, whole: false });
        }
    }
}
