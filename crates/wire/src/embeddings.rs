//! Texts as vectors: what is asked and answered, whatever the dialect.

/// What a client asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbedAsked {
    /// The model, as the client calls it.
    pub model: String,
    /// Each becomes a vector.
    pub texts: Vec<String>,
    /// How many numbers each vector is to have.
    pub dimensions: Option<u32>,
    /// Whether the client reads a vector as base64 of little-endian 32-bit floats; only OpenAI's clients do.
    pub is_packed: bool,
    /// What the request holds that no other dialect can say: names of fields.
    pub unsaid: Vec<String>,
}

/// The vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// One for each text, in order.
    pub vectors: Vec<Vec<f32>>,
    /// What was read, in tokens; zero where nobody said it.
    pub used: units::TokenCount,
}

impl Embeddings {
    /// Makes sure that there is one vector for each text.
    ///
    /// # Errors
    /// When there are more or fewer.
    pub fn of(&self, asked: &EmbedAsked) -> Result<(), crate::Error> {
        if self.vectors.len() == asked.texts.len() && self.vectors.iter().all(|vector| !vector.is_empty()) {
            return Ok(());
        }
        Err(crate::Error::Malformed {
            dialect: "embeddings",
            what: "an answer",
            column: 0,
            rule: "it must hold one vector for each text",
        })
    }
}
