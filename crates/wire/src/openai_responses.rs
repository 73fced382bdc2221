//! OpenAI Responses. Source: the API reference of `/v1/responses`, and the types of OpenAI's own client libraries.

mod count;
mod decode;
mod encode;
mod going_on;
mod input;
mod item;
mod keeping;
mod kept;
mod request;
mod response;
mod said;
mod sent;
mod stream;
mod tools;

pub use crate::openai_chat::{error, error_message, model, models, models_list};
pub use count::{count_answer, counted, encode_count};
pub use decode::{Decoder, answer};
pub use encode::encode;
pub use going_on::{Before, MAX_ITEMS, Whole, go_on};
pub use keeping::{Mark, Marked, Marking, Piece};
pub use kept::Kept;
pub use request::request;
pub use response::{whole, whole_kept};
pub use stream::Encoder;

const DIALECT: &str = "OpenAI Responses";
