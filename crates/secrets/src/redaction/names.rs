//! Which names say that what stands behind them is a secret.

/// What a name says of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// Nothing.
    Nothing,
    /// A secret wherever it stands.
    Secret,
    /// A secret in JSON and in a query; in code it is a word like any other.
    Perhaps,
    /// Numbers of tokens, or texts that are tokens.
    Tokens,
}

const WITHIN: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "credential",
    "authorization",
    "cookie",
    "bearer",
];
const WORDS: [&str; 14] = [
    "auth",
    "hmac",
    "jwt",
    "otp",
    "pass",
    "pat",
    "pin",
    "psk",
    "pwd",
    "session",
    "sid",
    "sig",
    "signature",
    "totp",
];

pub(super) fn says(name: &str) -> Says {
    let flat: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if WITHIN.iter().any(|part| flat.contains(part)) {
        return Says::Secret;
    }
    if flat.contains("tokens") {
        return Says::Tokens;
    }
    if flat.contains("token") {
        return Says::Secret;
    }
    if flat.ends_with("key")
        || flat.ends_with("keys")
        || words(name).any(|word| WORDS.contains(&word.as_str()))
    {
        return Says::Perhaps;
    }
    Says::Nothing
}

/// The words of `snake_case`, `kebab-case` and `camelCase`, in small letters.
fn words(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (was_small && c.is_uppercase()) {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().expect("there is a first one").extend(c.to_lowercase());
        }
        was_small = c.is_lowercase();
    }
    words.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_every_spelling() {
        for name in [
            "password",
            "dbPassword",
            "API-Key",
            "x_api_key",
            "client_secret",
            "accessToken",
            "AUTHORIZATION",
        ] {
            assert_eq!(says(name), Says::Secret, "{name}");
        }
        for name in ["key", "sshKey", "auth", "user-pin", "sessionSig", "Keys"] {
            assert_eq!(says(name), Says::Perhaps, "{name}");
        }
        for name in ["max_tokens", "prompt_tokens_details", "accessTokens"] {
            assert_eq!(says(name), Says::Tokens, "{name}");
        }
        for name in ["author", "keyboard", "passage", "opinion", "model", "goal", ""] {
            assert_eq!(says(name), Says::Nothing, "{name}");
        }
    }
}
