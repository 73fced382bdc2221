//! A form of several parts (`multipart/form-data`) on its way to a provider: the model that it names is read and can be named
//! anew, and every other byte goes through as it came. Source: RFC 7578.
//!
//! What two readers could take for different things is refused: by the model's name it is decided who may ask for it.

use memchr::memmem;

use crate::Invalid;

/// The most bytes of a part's headers, of the name of a model, and of a boundary.
const MAX_HEAD: usize = 8 * 1024;
const MAX_MODEL: usize = 256;
const MAX_BOUNDARY: usize = 70;
/// The most parts of a form.
const MAX_PARTS: usize = 128;
const MODEL: &str = "model";

/// A form that is read while it passes.
#[derive(Debug)]
pub struct Form {
    /// What stands before and behind each part.
    delimiter: Vec<u8>,
    /// What has come and is not passed on yet.
    rest: Vec<u8>,
    state: State,
    parts: usize,
    has_model: bool,
}

#[derive(Debug, PartialEq)]
enum State {
    Start,
    /// Behind a delimiter: another part follows, or none.
    Behind,
    Head,
    Body,
    Model,
    End,
}

/// What a form is made of, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// To be passed on as it is.
    Bytes(Vec<u8>),
    /// The name of the model.
    Model(String),
}

impl Form {
    /// A form with the boundary that its content type tells, and that content type in plain words.
    ///
    /// # Errors
    /// When it is no form, or its boundary is none.
    pub fn try_new(content_type: &str) -> Result<(Self, String), Invalid> {
        let invalid = || {
            Invalid::new(
                "content-type",
                "must be multipart/form-data with one boundary of 1 to 70 plain letters",
            )
        };
        let mut parameters = content_type.split(';').map(str::trim);
        if !parameters.next().is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/form-data")) {
            return Err(invalid());
        }
        let values = parameters.filter_map(|parameter| parameter.split_once('='));
        let mut boundaries = values.filter(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"));
        let (Some((_, boundary)), None) = (boundaries.next(), boundaries.next()) else {
            return Err(invalid());
        };
        let boundary = boundary.trim();
        let boundary =
            boundary.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(boundary);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'+_-.".contains(&byte);
        if !(1..=MAX_BOUNDARY).contains(&boundary.len()) || !boundary.bytes().all(is_plain) {
            return Err(invalid());
        }
        let form = Self {
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            rest: Vec::new(),
            state: State::Start,
            parts: 0,
            has_model: false,
        };
        Ok((form, format!("multipart/form-data; boundary={boundary}")))
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// When it is no form, or names the model twice or in a way that could be read as another one.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Piece>) -> Result<(), Invalid> {
        self.rest.extend_from_slice(bytes);
        while self.step(out)? {}
        Ok(())
    }

    /// There is no more.
    ///
    /// # Errors
    /// When the form has not ended.
    pub fn finish(&self) -> Result<(), Invalid> {
        if self.state == State::End {
            return Ok(());
        }
        Err(Invalid::new("body", "must end with its closing boundary"))
    }

    /// Whether there was enough for another step.
    fn step(&mut self, out: &mut Vec<Piece>) -> Result<bool, Invalid> {
        match self.state {
            State::Start => {
                let first = self.delimiter.len() - 2;
                if self.rest.len() < first {
                    return Ok(false);
                }
                if self.rest[..first] != self.delimiter[2..] {
                    return Err(Invalid::new("body", "must begin with its boundary"));
                }
                self.pass(first, State::Behind, out)
            }
            State::Behind => match self.rest.get(..2) {
                None => Ok(false),
                Some(b"\r\n") => self.pass(2, State::Head, out),
                Some(b"--") => self.pass(2, State::End, out),
                Some(_) => Err(Invalid::new("body", "must have a line's end behind each boundary")),
            },
            State::Head => self.head(out),
            State::Body => match memmem::find(&self.rest, &self.delimiter) {
                Some(end) => self.pass(end + self.delimiter.len(), State::Behind, out),
                None => {
                    // The beginning of a delimiter may be the end of what has come.
                    let sure = self.rest.len().saturating_sub(self.delimiter.len() - 1);
                    self.pass(sure, State::Body, out).map(|_| false)
                }
            },
            State::Model => self.model(out),
            State::End => self.pass(self.rest.len(), State::End, out).map(|_| false),
        }
    }

    fn pass(&mut self, bytes: usize, state: State, out: &mut Vec<Piece>) -> Result<bool, Invalid> {
        if bytes > 0 {
            let rest = self.rest.split_off(bytes);
            out.push(Piece::Bytes(std::mem::replace(&mut self.rest, rest)));
        }
        self.state = state;
        Ok(true)
    }

    fn head(&mut self, out: &mut Vec<Piece>) -> Result<bool, Invalid> {
        let Some(end) = memmem::find(&self.rest, b"\r\n\r\n") else {
            return if self.rest.len() > MAX_HEAD {
                Err(Invalid::new("body", format!("must have at most {MAX_HEAD} bytes of headers in a part")))
            } else {
                Ok(false)
            };
        };
        let is_model = name(&self.rest[..end])? == MODEL;
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(Invalid::new("body", format!("must have at most {MAX_PARTS} parts")));
        }
        if is_model && std::mem::replace(&mut self.has_model, true) {
            return Err(Invalid::new(MODEL, "must stand there only once"));
        }
        self.pass(end + 4, if is_model { State::Model } else { State::Body }, out)
    }

    fn model(&mut self, out: &mut Vec<Piece>) -> Result<bool, Invalid> {
        let invalid = || Invalid::new(MODEL, format!("must be a name of 1 to {MAX_MODEL} bytes"));
        let Some(end) = memmem::find(&self.rest, &self.delimiter) else {
            let most = MAX_MODEL + self.delimiter.len();
            return if self.rest.len() > most { Err(invalid()) } else { Ok(false) };
        };
        let name = std::str::from_utf8(&self.rest[..end]).map_err(|_| invalid())?;
        if !(1..=MAX_MODEL).contains(&name.len()) || name.contains(char::is_control) {
            return Err(invalid());
        }
        out.push(Piece::Model(name.to_owned()));
        self.rest.drain(..end);
        self.pass(self.delimiter.len(), State::Behind, out)
    }
}

/// The name of a part by its headers. What one reader takes for the model's and another one for something else is refused.
fn name(head: &[u8]) -> Result<&str, Invalid> {
    let invalid = || {
        let rule =
            "must have one plain Content-Disposition with one name in each part, and `model` without a file";
        Invalid::new("body", rule)
    };
    let head = std::str::from_utf8(head).map_err(|_| invalid())?;
    let mut found = None;
    for line in head.split("\r\n") {
        let (field, value) = line.split_once(':').ok_or_else(invalid)?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if field.is_empty() || !field.bytes().all(is_plain) || line.contains(['\r', '\n', '\0']) {
            return Err(invalid());
        }
        if field.eq_ignore_ascii_case("content-disposition") && found.replace(value).is_some() {
            return Err(invalid());
        }
    }
    let value = found.ok_or_else(invalid)?;
    let lower = value.to_ascii_lowercase();
    // A file's name can hold anything but what would end it.
    let (before, file) = match lower.find("filename") {
        Some(at) => (&value[..at], &lower[at..]),
        None => (value, ""),
    };
    let mut parts = before.split(';').map(str::trim);
    let is_form = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("form-data"));
    let mut names = parts.filter(|part| !part.is_empty());
    let (Some(named), None, true) = (names.next(), names.next(), is_form) else { return Err(invalid()) };
    let name = named.strip_prefix("name=").ok_or_else(invalid)?;
    let name = name.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(name);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[] ".contains(&byte);
    let is_almost = name.trim().eq_ignore_ascii_case(MODEL) && name != MODEL;
    let is_file = name == MODEL && !file.is_empty();
    let has_another = file.contains("; name") || file.contains(";name");
    if name.is_empty() || !name.bytes().all(is_plain) || is_almost || is_file || has_another {
        return Err(invalid());
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=xYz";

    fn part(head: &str, body: &str) -> String {
        format!("--xYz\r\n{head}\r\n\r\n{body}\r\n")
    }

    fn field(name: &str, value: &str) -> String {
        part(&format!("Content-Disposition: form-data; name=\"{name}\""), value)
    }

    fn file(content: &str) -> String {
        let head =
            "Content-Disposition: form-data; name=\"file\"; filename=\"a; b.wav\"\r\nContent-Type: audio/wav";
        part(head, content)
    }

    fn play(form: &str, piece: usize) -> Result<(Vec<u8>, Vec<String>), Invalid> {
        let (mut reader, _) = Form::try_new(TYPE).unwrap();
        let (mut bytes, mut models) = (Vec::new(), Vec::new());
        for piece in form.as_bytes().chunks(piece) {
            let mut out = Vec::new();
            reader.push(piece, &mut out)?;
            for piece in out {
                match piece {
                    Piece::Bytes(passed) => bytes.extend(passed),
                    Piece::Model(name) => {
                        bytes.extend_from_slice(b"NEW");
                        models.push(name);
                    }
                }
            }
        }
        reader.finish()?;
        Ok((bytes, models))
    }

    #[test]
    fn the_model_is_named_anew_and_all_else_stays_wherever_it_is_cut() {
        for order in [0, 1] {
            let (file, model) = (file("\r\n--xY\r\n--x\0\u{1f600}"), field("model", "openai/whisper"));
            let parts = if order == 0 { file + &model } else { model + &file };
            let form = parts + &field("language", "de") + "--xYz--\r\n";
            let expected = form.replace("openai/whisper", "NEW");
            for piece in 1..80 {
                let (bytes, models) = play(&form, piece).unwrap();
                assert_eq!(String::from_utf8(bytes).unwrap(), expected);
                assert_eq!(models, ["openai/whisper"]);
            }
        }
    }

    #[test]
    fn what_could_be_read_as_another_model_is_refused() {
        let model = field("model", "a");
        let twice = model.clone() + &field("model", "b") + "--xYz--";
        assert_eq!(play(&twice, 7).unwrap_err().field, "model");
        for head in [
            "Content-Disposition: form-data; name=\"Model\"",
            "Content-Disposition: form-data; name=\" model\"",
            "Content-Disposition: form-data; name=\"mo\\del\"",
            "Content-Disposition: form-data; name*=utf-8''model",
            "Content-Disposition: form-data; name=\"x\"; name=\"model\"",
            "Content-Disposition: form-data; name=\"x\"; filename=\"y\"; name=\"model\"",
            "Content-Disposition: form-data; name=\"model\"; filename=\"y\"",
            "Content-Disposition: form-data; name=\"x\"\r\nContent-Disposition: form-data; name=\"model\"",
            "Content-Disposition: form-data;\r\n name=\"model\"",
            "Content-Disposition: attachment; name=\"x\"",
            "Content-Type: text/plain",
            "no header",
        ] {
            let form = model.clone() + &part(head, "b") + "--xYz--";
            assert!(play(&form, 4_096).is_err(), "{head}");
        }
    }

    #[test]
    fn what_is_no_form_or_has_no_end_is_refused_within_bounds() {
        let long = "x".repeat(10_000);
        let many = field("a", "b").repeat(MAX_PARTS + 1) + "--xYz--";
        for form in [
            "{}",
            "--xYz",
            "--xYz\r\n",
            &field("a", "b"),
            &("--xYz\r\n".to_owned() + &long),
            &field("model", &long),
            &field("model", ""),
            &many,
        ] {
            assert!(play(form, 64).is_err(), "{}", &form[..form.len().min(80)]);
        }
        for kind in [
            "application/json",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=a; boundary=b",
            "multipart/form-data; boundary=\"a b\"",
        ] {
            assert_eq!(Form::try_new(kind).unwrap_err().field, "content-type", "{kind}");
        }
        let (_, said) = Form::try_new("Multipart/Form-Data; charset=x; Boundary=\"--a_1\"").unwrap();
        assert_eq!(said, "multipart/form-data; boundary=--a_1");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_keep_more_than_a_delimiter(pieces in prop::collection::vec("[-\r\n xYzmodel:;=\"]{0,40}", 0..20)) {
            let (mut form, _) = Form::try_new(TYPE).unwrap();
            let mut out = Vec::new();
            let start = field("a", "b");
            form.push(start.trim_end().as_bytes(), &mut out).unwrap();
            for piece in pieces {
                if form.push(piece.as_bytes(), &mut out).is_err() {
                    return Ok(());
                }
                prop_assert!(form.state != State::Body || form.rest.len() < form.delimiter.len());
            }
        }
    }
}
