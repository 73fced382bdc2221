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
