//! OpenAI Responses. Source: the API reference of `/v1/responses`, and the types of OpenAI's own client libraries.

mod decode;
mod encode;
mod input;
mod item;
mod kept;
mod request;
mod response;
mod said;
mod sent;
mod stream;
mod tools;

pub use crate::openai_chat::{error, error_message, models, models_list};
pub use decode::{Decoder, answer};
pub use encode::encode;
pub use kept::{Conversation, Kept};
pub use request::request;
pub use response::whole;
pub use stream::Encoder;

const DIALECT: &str = "OpenAI Responses";
