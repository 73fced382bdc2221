//! What a URL may say, and what it never shows.

use super::*;

fn parsed(text: &str) -> PostgresUrl {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> BadAddress {
    text.parse::<PostgresUrl>().expect_err(text)
}

#[test]
fn what_is_elsewhere_is_encrypted_and_checked_unless_the_operator_says_otherwise() {
    let verified = |roots: Option<&str>| Encryption::Verified { roots: roots.map(PathBuf::from) };
    let cases = [
        ("postgres://u@db.example/d", verified(None)),
        ("postgres://u@db.example/d?sslmode=require", verified(None)),
        (
            "postgresql://u@db.example/d?sslmode=verify-full&sslrootcert=/etc/a%20b.pem",
            verified(Some("/etc/a b.pem")),
        ),
        ("postgres://u@10.0.0.7/d?sslrootcert=ca.pem", verified(Some("ca.pem"))),
        ("postgres://u@db.example/d?sslmode=disable", Encryption::None),
        ("postgres://u@localhost/d", Encryption::None),
        ("postgres://u@127.0.0.9:5433/d", Encryption::None),
        ("postgres://u@127.0.0.1/d?sslmode=require", verified(None)),
        ("postgres://u@localhost/d?sslrootcert=ca.pem", verified(Some("ca.pem"))),
        ("postgres://u@%2Frun%2Fpostgresql/d", Encryption::None),
        ("postgres:///d?host=/run/postgresql&user=u", Encryption::None),
    ];
    for (text, encryption) in cases {
        let url = parsed(text);
        assert_eq!(url.encryption, encryption, "{text}");
        let mode = if encryption == Encryption::None { SslMode::Disable } else { SslMode::Require };
        assert_eq!(url.config.get_ssl_mode(), mode, "{text}");
    }
}

#[test]
fn refuses_what_encrypts_only_by_chance() {
    for mode in ["allow", "prefer", "verify-ca", "REQUIRE", ""] {
        assert_eq!(refused(&format!("postgres://u@h/d?sslmode={mode}")), BadAddress::Mode);
    }
    assert_eq!(refused("postgres:///d?host=/run/postgresql&sslmode=require"), BadAddress::SocketMode);
}

#[test]
fn refuses_what_is_no_url_of_a_database() {
    for text in [
        "",
        "history.db",
        "mysql://u@h/d",
        "postgres://",
        "postgres://u@h:99999/d",
        "postgres://h/d?colour=blue",
    ] {
        assert_eq!(refused(text), BadAddress::NotPostgres, "{text}");
    }
    assert_eq!(refused(&format!("postgres://u@h/{}", "d".repeat(MAX_URL_BYTES))), BadAddress::NotPostgres);
    assert_eq!(refused("postgres://u@h"), BadAddress::NoDatabase);
}

#[test]
fn a_schema_has_a_plain_name() {
    assert_eq!(parsed("postgres://u@h/d").schema(), "impresario");
    assert_eq!(parsed("postgres://u@h/d?schema=team_7").schema(), "team_7");
    let long = "s".repeat(MAX_NAME_BYTES + 1);
    for name in ["", "7", "Team", "a-b", "a;drop table workflows", "a\"", "pg_temp", &long] {
        assert_eq!(refused(&format!("postgres://u@h/d?schema={name}")), BadAddress::Schema, "{name}");
    }
}

#[test]
fn no_way_of_printing_shows_the_password() {
    for text in [
        "postgres://user:very-secret@db.example:5433/d?connect_timeout=3",
        "postgres://user@db.example:5433/d?password=very-secret",
        "postgres://user:very%2Dsecret@%2Frun%2Fpg/d",
        "postgres://user:very-secret@db.example/d#very-secret",
    ] {
        let Ok(url) = text.parse::<PostgresUrl>() else { continue };
        let shown = format!("{url} {url:?} {:?} {}", super::super::Database::Postgres(url.clone()), url);
        assert!(!shown.contains("secret"), "{shown}");
        assert!(shown.contains("user@"), "{shown}");
    }
    for text in ["postgres://u:very-secret@h:99999/d", "postgres://u:very-secret@h/d?sslmode=prefer"] {
        assert!(!refused(text).to_string().contains("secret"));
    }
    assert_eq!(parsed("postgres://u@h/d?schema=s").to_string(), "postgres://u@h/d (schema s)");
}

#[test]
fn a_password_comes_through_as_it_was_meant() {
    let url = parsed("postgres://u:a%40b%20c+d@h/d?schema=s&options=-c%20geqo%3Doff");
    assert_eq!(url.config.get_password(), Some("a@b c+d".as_bytes()));
    assert_eq!(url.config.get_options(), Some("-c geqo=off"));
}
