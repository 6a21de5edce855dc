//! Every environment variable that Tidegate reads for itself, declared once.

/// The configuration file; otherwise the nearest `tidegate.toml` from the working directory upwards.
pub const CONFIG: &str = "TIDEGATE_CONFIG";
/// The state directory; otherwise `state_dir` of the configuration, otherwise `.tidegate` beside it.
pub const STATE_DIR: &str = "TIDEGATE_STATE_DIR";

/// Names where the UI and the API answer.
pub const LISTEN: &str = "TIDEGATE_LISTEN";
