//! One tool for each kind of content.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents, Tool};

use super::{failure, plain, success};

/// A PNG of one pixel, base64.
pub(crate) const PIXEL_PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==";
/// A WAV without samples, base64.
const SILENCE_WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";

pub(super) fn tools() -> [Tool; 6] {
    [
        plain("test_simple_text", "Returns a text"),
        plain("test_image_content", "Returns an image"),
        plain("test_audio_content", "Returns a sound"),
        plain("test_embedded_resource", "Returns a resource"),
        plain(
            "test_multiple_content_types",
            "Returns a text, an image and a resource",
        ),
        plain("test_error_handling", "Always fails"),
    ]
}

/// The answer of one of these tools; none for another tool.
pub(super) fn call(name: &str) -> Option<CallToolResult> {
    let image = || ContentBlock::image(PIXEL_PNG, "image/png");
    let resource = |uri: &str, mime: &str, text: &str| {
        ContentBlock::resource(ResourceContents::text(text, uri).with_mime_type(mime))
    };
    let content = match name {
        "test_simple_text" => return Some(success("This is a simple text response for testing.")),
        "test_error_handling" => {
            return Some(failure(
                "This tool intentionally returns an error for testing",
            ));
        }
        "test_image_content" => vec![image()],
        "test_audio_content" => vec![ContentBlock::audio(SILENCE_WAV, "audio/wav")],
        "test_embedded_resource" => vec![resource(
            "test://embedded-resource",
            "text/plain",
            "This is an embedded resource content.",
        )],
        "test_multiple_content_types" => vec![
            ContentBlock::text("Multiple content types test:"),
            image(),
            resource(
                "test://mixed-content-resource",
                "application/json",
                r#"{"test":"data","value":123}"#,
            ),
        ],
        _ => return None,
    };
    Some(CallToolResult::success(content))
}
