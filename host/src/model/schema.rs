//! How plain data that is written as a text describes itself, for the description of the API.

/// A type whose JSON is a string.
macro_rules! text_schema {
    ($type:ty, $name:literal, $description:literal, $($example:literal),+) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some($description))
                    .examples([$($example),+])
                    .into()
            }
        }

        impl utoipa::ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed($name)
            }
        }
    };
}

text_schema!(
    super::NodeState,
    "NodeState",
    "dbt's word for where a node stands.",
    "success",
    "error",
    "skipped"
);
text_schema!(
    super::ResourceType,
    "ResourceType",
    "dbt's resource type of a node.",
    "model",
    "seed",
    "source"
);
text_schema!(super::Subject, "Subject", "What an alert is about.", "job:build");
text_schema!(super::Trigger, "Trigger", "What starts a job by itself.", "schedule");
