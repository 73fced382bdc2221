//! A key as its holder has it: `imp_<id>_<secret><checksum>`; and the digest that is all that anybody keeps of it.
//!
//! The id is public: 12 characters of Crockford's base32, by which the digest is found. The secret has 32, which are 160
//! random bits. The last four are a checksum of all before them: a mistyped key is told apart without a look at any other,
//! and a scanner for leaked keys can be sure of what it has found.

use std::fmt;

use secrets::Secret;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use units::KeyId;

use crate::Error;
use crate::keyring::Invalid;

/// Random bytes of a secret.
pub const SECRET_BYTES: usize = 20;

const PREFIX: &str = "imp_";
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ID_CHARS: usize = 12;
const SECRET_CHARS: usize = SECRET_BYTES * 8 / 5;
const CHECK_CHARS: usize = 4;
const CHARS: usize = PREFIX.len() + ID_CHARS + 1 + SECRET_CHARS + CHECK_CHARS;

/// A new key, whole.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its public part.
    pub id: KeyId,
    /// The text that its holder is shown once.
    pub text: Secret,
    /// What is kept of it.
    pub digest: Digest,
}

/// A key as a request brought it: well formed, and not known to be anybody's yet.
#[derive(Clone, Debug)]
pub struct Presented {
    /// Which key it says it is.
    pub id: KeyId,
    /// Of the secret that came with it.
    pub digest: Digest,
}

/// The SHA-256 of a key's secret. It shows itself only where it is stored, and is compared in constant time alone:
///
/// ```compile_fail
/// fn same(one: access::Digest, other: access::Digest) -> bool {
///     one == other
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Key {
    /// The key of these random bits.
    pub fn from_random(id: u64, secret: &[u8; SECRET_BYTES]) -> Self {
        let id = KeyId::from_random(id);
        let secret = base32(secret);
        let mut text = format!("{PREFIX}{id}_{secret}");
        let check = checksum(&text);
        text.push_str(&check);
        let text = Secret::try_new(text).expect("it has a prefix at least");
        Self { id, text, digest: Digest::of(&secret) }
    }
}

/// Whether a text begins as our keys do, good or not.
pub fn looks_like_a_key(text: &str) -> bool {
    text.starts_with(PREFIX)
}

impl Presented {
    /// Takes apart what a request brought. Nothing is looked up, and nothing of it is in the error.
    ///
    /// # Errors
    /// [`Invalid::Malformed`] and [`Invalid::Mistyped`].
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() != CHARS || !text.is_ascii() {
            return Err(Invalid::Malformed);
        }
        let (body, check) = text.split_at(CHARS - CHECK_CHARS);
        let rest = body.strip_prefix(PREFIX).ok_or(Invalid::Malformed)?;
        let (id, secret) = rest.split_once('_').ok_or(Invalid::Malformed)?;
        let id: KeyId = id.parse().map_err(|_| Invalid::Malformed)?;
        if !secret.bytes().all(|byte| ALPHABET.contains(&byte)) {
            return Err(Invalid::Malformed);
        }
        if checksum(body) != check {
            return Err(Invalid::Mistyped);
        }
        Ok(Self { id, digest: Digest::of(secret) })
    }
}

impl Digest {
    fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Whether both are of one secret; takes as long whatever they differ in.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// 64 hexadecimal digits, to be stored.
    pub fn to_hex(&self) -> String {
        use std::fmt::Write;
        let mut hex = String::with_capacity(64);
        for byte in self.0 {
            write!(hex, "{byte:02x}").expect("a String takes all text");
        }
        hex
    }

    /// What [`Digest::to_hex`] wrote.
    ///
    /// # Errors
    /// [`Error::BadDigest`].
    pub fn from_hex(hex: &str) -> Result<Self, Error> {
        let mut bytes = [0; 32];
        if hex.len() != 64 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(Error::BadDigest);
        }
        for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| Error::BadDigest)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| Error::BadDigest)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[digest]")
    }
}

fn checksum(text: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    base32(&digest)[..CHECK_CHARS].to_owned()
}

fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in bytes {
        bits = (bits << 8 | u32::from(*byte)) & 0xffff;
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(char::from(ALPHABET[(bits >> count & 31) as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn has_the_form_that_the_documents_name() {
        let key = Key::from_random(u64::MAX, &[0xff; SECRET_BYTES]);
        let text = key.text.expose();
        assert_eq!(text.len(), CHARS);
        assert!(text.starts_with("imp_zzzzzzzzzzzz_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"), "{text}");
        assert_eq!(SECRET_CHARS * 5, 160);
    }

    #[test]
    fn shows_nothing_of_itself() {
        let key = Key::from_random(7, &[0xab; SECRET_BYTES]);
        let secret = key.text.expose()[17..49].to_owned();
        let presented = Presented::parse(key.text.expose()).unwrap();
        let shown = format!("{key:?} {presented:?}");
        assert!(!shown.contains(&secret) && !shown.contains(&key.digest.to_hex()), "{shown}");
    }

    #[test]
    fn a_mistyped_key_is_told_from_one_that_is_none() {
        let text = Key::from_random(7, &[1; SECRET_BYTES]).text.expose().to_owned();
        for (bad, why) in [
            (String::new(), Invalid::Malformed),
            ("sk-ant-something".to_owned(), Invalid::Malformed),
            (text[..CHARS - 1].to_owned(), Invalid::Malformed),
            (text.to_uppercase(), Invalid::Malformed),
            (text.replacen("imp_", "IMP_", 1), Invalid::Malformed),
            (text.replace('_', "-"), Invalid::Malformed),
            (format!("{}zzzz", &text[..CHARS - 4]), Invalid::Mistyped),
        ] {
            assert_eq!(Presented::parse(&bad).unwrap_err(), why, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_key_reads_back(id: u64, secret: [u8; SECRET_BYTES]) {
            let key = Key::from_random(id, &secret);
            let presented = Presented::parse(key.text.expose()).unwrap();
            prop_assert_eq!(&presented.id, &key.id);
            prop_assert!(presented.digest.matches(&key.digest));
            let stored = Digest::from_hex(&key.digest.to_hex()).unwrap();
            prop_assert!(stored.matches(&key.digest));
        }

        #[test]
        fn a_key_with_one_wrong_character_is_refused(id: u64, secret: [u8; SECRET_BYTES], place in 0..CHARS, wrong: u8) {
            let text = Key::from_random(id, &secret).text.expose().to_owned();
            let mut bytes = text.into_bytes();
            prop_assume!(bytes[place] != wrong);
            bytes[place] = wrong;
            // Four characters of a checksum miss one in a million; that one is refused by its digest.
            if let Ok(presented) = Presented::parse(&String::from_utf8_lossy(&bytes)) {
                let key = Key::from_random(id, &secret);
                prop_assert!(presented.id != key.id || !presented.digest.matches(&key.digest));
            }
        }

        #[test]
        fn no_text_brings_it_down(text in "\\PC*|imp_[0-9a-z_é]{0,60}") {
            let _ = Presented::parse(&text);
            let _ = Digest::from_hex(&text);
        }
    }
}
