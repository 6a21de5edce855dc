//! Jinja in a profile, rendered as dbt renders it: native values, `env_var`, `var`, and secrets that are put in last.
//!
//! Owns which part of Jinja is understood. What dbt might render otherwise than we do is refused, never guessed: nobody
//! may take a wrong file for the right one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use minijinja::{
    Environment, Error, ErrorKind, State, UndefinedBehavior, Value, context, filters, tests as jinja_tests,
    value::{Kwargs, Rest, ValueKind},
};

use super::yaml::Yaml;

/// What dbt's own names of secrets begin with.
const SECRET: &str = "DBT_ENV_SECRET";

/// What dbt hides from `env_var`.
const PRIVATE: &str = "DBT_ENV_PRIVATE";

/// What stands for a secret until everything else is rendered, so that no filter can change it.
const SECRET_START: &str = "$$$DBT_SECRET_START$$$";
const SECRET_END: &str = "$$$DBT_SECRET_END$$$";

/// How many steps a template may take.
const FUEL: u64 = 20_000;

/// Methods of strings and mappings that are Python's in everything.
const METHODS: [&str; 11] = [
    "endswith",
    "get",
    "keys",
    "lower",
    "lstrip",
    "replace",
    "rstrip",
    "split",
    "startswith",
    "strip",
    "upper",
];

/// What the templates of an invocation see.
pub(super) struct Renderer {
    env: Arc<BTreeMap<String, String>>,
    vars: Arc<BTreeMap<String, Yaml>>,
    /// Files of dbt 1.12 that may hold more than was handed over: the text of `.env`, and whether there is a `vars.yml`.
    dotenv: Arc<str>,
    has_vars_file: bool,
}

/// What a template turned out to be.
#[derive(Default)]
struct Seen {
    /// The kinds of what was put out, and the length of the text of the last one.
    emitted: Vec<(ValueKind, usize)>,
    /// The last of `as_text`, `as_bool`, `as_number`, `as_native`.
    markers: Vec<&'static str>,
    /// Whether a variable was neither text nor a number: Python writes those otherwise.
    odd: bool,
}

impl Renderer {
    /// A renderer for an environment and the variables of the command line.
    pub fn new(
        env: BTreeMap<String, String>,
        vars: BTreeMap<String, Yaml>,
        dotenv: &str,
        has_vars_file: bool,
    ) -> Self {
        Self { env: Arc::new(env), vars: Arc::new(vars), dotenv: dotenv.into(), has_vars_file }
    }

    /// A variable of the environment as dbt sees it; an error where a file may say more.
    pub fn variable(&self, name: &str) -> Result<Option<&str>, String> {
        lookup(&self.env, &self.dotenv, name)
    }

    /// The value with its templates rendered, in lists and mappings too. The error says why it cannot be told.
    pub fn value(&self, value: &Yaml) -> Result<Yaml, String> {
        Ok(match value {
            Yaml::Text(text) => self.text(text)?,
            Yaml::List(items) => {
                Yaml::List(items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?)
            }
            Yaml::Map(pairs) => {
                let rendered = |(key, value): &(Yaml, Yaml)| Ok((key.clone(), self.value(value)?));
                Yaml::Map(pairs.iter().map(rendered).collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }

    fn text(&self, text: &str) -> Result<Yaml, String> {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        if !["{{", "{%", "{#"].iter().any(|start| text.contains(start)) {
            let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
            return self.with_secret(text).map(Yaml::Text);
        }
        let code = Code::of(&text)?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let environment = self.environment(&seen);
        let rendered = {
            let template = environment.template_from_named_str("profile", &text).map_err(|e| explain(&e))?;
            let unknown = template.undeclared_variables(false);
            if let Some(name) =
                unknown.iter().filter(|name| !["env_var", "var"].contains(&name.as_str())).min()
            {
                return Err(format!("`{name}` cannot be rendered here"));
            }
            template.render(context! {}).map_err(|e| explain(&e))?
        };
        let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
        code.check(&seen)?;
        if let Some(marker) = seen.markers.first() {
            return marked(marker, self.with_secret(rendered)?);
        }
        // A value that stands alone keeps its kind.
        match seen.emitted[..] {
            [(ValueKind::Bool, length)] if length == rendered.len() => Ok(Yaml::Bool(rendered == "True")),
            [(ValueKind::None, length)] if length == rendered.len() => Ok(Yaml::Null),
            [(ValueKind::Number, length)] if length == rendered.len() => {
                Ok(rendered.parse().map_or(Yaml::Odd, Yaml::Int))
            }
            _ => self.with_secret(rendered).map(Yaml::Text),
        }
    }

    /// The text with its secret in place.
    fn with_secret(&self, text: String) -> Result<String, String> {
        if !text.contains(SECRET) {
            return Ok(text);
        }
        let place = text.split_once(SECRET_START).and_then(|(_, rest)| rest.split_once(SECRET_END));
        let name = place.map(|(name, _)| name).filter(|_| text.matches(SECRET_START).count() == 1);
        let secret = name.and_then(|name| Some((name, self.env.get(name)?)));
        // dbt itself fails at two secrets in one value.
        let (name, secret) = secret.ok_or("a secret cannot be put in its place")?;
        Ok(text.replace(&format!("{SECRET_START}{name}{SECRET_END}"), secret))
    }

    fn environment(&self, seen: &Arc<Mutex<Seen>>) -> Environment<'static> {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_fuel(Some(FUEL));
        let (env, dotenv) = (self.env.clone(), self.dotenv.clone());
        environment.add_function("env_var", move |name: &str, rest: Rest<Value>, kwargs: Kwargs| {
            let default = default_of(&rest, &kwargs)?;
            match lookup(&env, &dotenv, name).map_err(refusal)? {
                Some(_) if name.starts_with(SECRET) => {
                    Ok(Value::from(format!("{SECRET_START}{name}{SECRET_END}")))
                }
                Some(value) => Ok(Value::from(value)),
                None => default
                    .filter(|default| !default.is_none())
                    .ok_or_else(|| refusal(format!("the environment variable {name} is not set"))),
            }
        });
        let (vars, record, has_vars_file) = (self.vars.clone(), seen.clone(), self.has_vars_file);
        environment.add_function("var", move |name: &str, rest: Rest<Value>, kwargs: Kwargs| {
            let default = default_of(&rest, &kwargs)?;
            let Some(value) = vars.get(name) else {
                if has_vars_file {
                    return Err(refusal(format!("the variable {name} may stand in vars.yml")));
                }
                return default.ok_or_else(|| refusal(format!("the variable {name} is not set")));
            };
            if !matches!(value, Yaml::Text(_) | Yaml::Int(_)) {
                record.lock().unwrap_or_else(PoisonError::into_inner).odd = true;
            }
            handed_over(value).ok_or_else(|| refusal(format!("the variable {name} is no simple value")))
        });
        for marker in ["as_text", "as_bool", "as_number", "as_native"] {
            let record = seen.clone();
            environment.add_filter(marker, move |value: Value| {
                record.lock().unwrap_or_else(PoisonError::into_inner).markers.push(marker);
                plain_text(&value)
            });
        }
        environment.add_filter("default", filters::default);
        environment.add_filter("d", filters::default);
        environment.add_filter("length", filters::length);
        environment.add_filter("lower", |value: Value| plain_text(&value).map(|text| text.to_lowercase()));
        environment.add_filter("upper", |value: Value| plain_text(&value).map(|text| text.to_uppercase()));
        environment.add_filter("trim", |value: Value| plain_text(&value).map(|text| text.trim().to_owned()));
        environment.add_filter("string", |value: Value| plain_text(&value));
        environment.add_filter("replace", |value: Value, old: &str, new: &str| {
            plain_text(&value).map(|text| text.replace(old, new))
        });
        environment.add_filter("int", |value: Value| {
            let number = plain_text(&value)?.trim().parse::<i64>();
            number.map_err(|_| refusal("`int` of what is no whole number".to_owned()))
        });
        environment.add_test("defined", jinja_tests::is_defined);
        environment.add_test("undefined", jinja_tests::is_undefined);
        environment.add_test("none", jinja_tests::is_none);
        environment.add_test("string", jinja_tests::is_string);
        environment.add_test("true", jinja_tests::is_true);
        environment.add_test("false", jinja_tests::is_false);
        environment.set_unknown_method_callback(|state: &mut State, value, method, args| {
            if METHODS.contains(&method) {
                minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
            } else {
                Err(Error::from(ErrorKind::UnknownMethod))
            }
        });
        let record = seen.clone();
        environment.set_formatter(move |out, _, value| {
            let text = match value.kind() {
                ValueKind::None => "None".to_owned(),
                ValueKind::Bool => if value.is_true() { "True" } else { "False" }.to_owned(),
                ValueKind::String | ValueKind::Number => plain_text(value)?,
                _ => return Err(refusal("a value that is neither text nor a number".to_owned())),
            };
            out.write_str(&text)?;
            let emitted = (value.kind(), text.len());
            record.lock().unwrap_or_else(PoisonError::into_inner).emitted.push(emitted);
            Ok(())
        });
        environment
    }
}

/// A variable of the environment, unless a file or a second name that dbt 1.12 reads may say something else.
fn lookup<'e>(
    env: &'e BTreeMap<String, String>,
    dotenv: &str,
    name: &str,
) -> Result<Option<&'e str>, String> {
    let value = env.get(name).filter(|_| !name.starts_with(PRIVATE)).map(String::as_str);
    let defined = |line: &str| {
        let line = line.trim_start();
        line.strip_prefix("export ").unwrap_or(line).split(['=', ':']).next().map(str::trim) == Some(name)
    };
    if value.is_none() && dotenv.lines().any(defined) {
        return Err(format!("the environment variable {name} may stand in .env"));
    }
    // dbt gives each of its settings two names, and each the value of the other.
    let other = match name.strip_prefix("DBT_ENGINE_") {
        Some(rest) => Some(format!("DBT_{rest}")),
        None => name.strip_prefix("DBT_").map(|rest| format!("DBT_ENGINE_{rest}")),
    };
    match other.and_then(|other| env.get(&other)) {
        Some(second) if Some(second.as_str()) != value => {
            Err(format!("the environment variable {name} has two names, and each another value"))
        }
        _ => Ok(value),
    }
}

fn refusal(detail: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail)
}

/// The default of `env_var` and `var`: the second argument, or named.
fn default_of(rest: &[Value], kwargs: &Kwargs) -> Result<Option<Value>, Error> {
    let named = kwargs.get::<Option<Value>>("default")?;
    kwargs.assert_all_used()?;
    match (rest, named) {
        ([], named) => Ok(named),
        ([default], None) => Ok(Some(default.clone())),
        _ => Err(Error::from(ErrorKind::TooManyArguments)),
    }
}

/// A variable as a template sees it. dbt renders text once more before it hands it over.
fn handed_over(value: &Yaml) -> Option<Value> {
    Some(match value {
        Yaml::Null => Value::from(()),
        Yaml::Bool(value) => Value::from(*value),
        Yaml::Int(value) => Value::from(*value),
        Yaml::Text(text) if ["{{", "{%", "{#", "#}", "%}", "}}"].iter().any(|sign| text.contains(sign)) => {
            return None;
        }
        Yaml::Text(text) => Value::from(text.as_str()),
        Yaml::List(items) => Value::from(items.iter().map(handed_over).collect::<Option<Vec<_>>>()?),
        Yaml::Map(pairs) => {
            let pair = |(key, value): &(Yaml, Yaml)| match key {
                Yaml::Text(key) => Some((key.clone(), handed_over(value)?)),
                _ => None,
            };
            Value::from(pairs.iter().map(pair).collect::<Option<BTreeMap<_, _>>>()?)
        }
        Yaml::Odd => return None,
    })
}

/// Text, or a whole number as text: what Python and we write alike.
fn plain_text(value: &Value) -> Result<String, Error> {
    match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None if value.is_integer() => Ok(value.to_string()),
        None => Err(refusal("a value that is neither text nor a whole number".to_owned())),
    }
}

/// What a template says whose value is marked as being of a kind.
fn marked(marker: &str, text: String) -> Result<Yaml, String> {
    match (marker, text.as_str()) {
        ("as_text", _) => Ok(Yaml::Text(text)),
        ("as_bool" | "as_native", "True" | "False") => Ok(Yaml::Bool(text == "True")),
        ("as_native", "None") => Ok(Yaml::Null),
        ("as_number" | "as_native", _) if text.parse::<i64>().is_ok_and(|n| n.to_string() == text) => {
            Ok(text.parse().map_or(Yaml::Odd, Yaml::Int))
        }
        ("as_native", _) if is_no_literal(&text) => Ok(Yaml::Text(text)),
        _ => Err(format!("`{marker}` of what is no simple value")),
    }
}

/// Whether Python surely takes a text for no literal, so that it stays the text that it is.
fn is_no_literal(text: &str) -> bool {
    let name = text.trim_start_matches(['.', '/', '~']);
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./:".contains(&b))
}

/// Why a template fails, without any value that it saw.
fn explain(error: &Error) -> String {
    let detail = match error.kind() {
        ErrorKind::InvalidOperation
        | ErrorKind::SyntaxError
        | ErrorKind::UnknownFilter
        | ErrorKind::UnknownFunction
        | ErrorKind::UnknownTest => error.detail(),
        _ => None,
    };
    detail.map_or_else(|| error.kind().to_string(), str::to_owned)
}

/// What stands between the braces of a template.
struct Code {
    /// The tags, without what stands between quotes.
    tags: Vec<String>,
    /// Whether the template is one expression and nothing else.
    is_single: bool,
}

impl Code {
    fn of(text: &str) -> Result<Self, String> {
        let mut tags = Vec::new();
        let mut outside = false;
        let mut rest = text;
        let mut is_expression = true;
        while let Some(start) = rest.find('{') {
            let kind = rest.as_bytes().get(start + 1).copied();
            outside |= start > 0;
            let Some(kind) = kind.filter(|kind| b"{%#".contains(kind)) else {
                outside = true;
                rest = &rest[start + 1..];
                continue;
            };
            is_expression &= kind == b'{';
            rest = &rest[start + 2..];
            if kind == b'#' {
                rest = rest.split_once("#}").ok_or("a comment without an end")?.1;
                continue;
            }
            let mut tag = String::new();
            let mut quote = None;
            let mut end = None;
            let close = if kind == b'{' { "}}" } else { "%}" };
            for (place, c) in rest.char_indices() {
                match (quote, c) {
                    (_, '\\') => return Err("a backslash in a template".to_owned()),
                    (Some(sign), c) if sign == c => quote = None,
                    (Some(_), _) => {}
                    (None, '\'' | '"') => {
                        quote = Some(c);
                        tag.push('_');
                    }
                    (None, _) if rest[place..].starts_with(close) => {
                        end = Some(place + close.len());
                        break;
                    }
                    (None, c) => tag.push(c),
                }
            }
            rest = &rest[end.ok_or("an expression without an end")?..];
            tags.push(tag.trim().trim_matches('-').trim().to_owned());
        }
        outside |= !rest.is_empty() && rest != "\n";
        Ok(Self { is_single: tags.len() == 1 && is_expression && !outside, tags })
    }

    /// Refuses what Python would write otherwise than we do.
    fn check(&self, seen: &Seen) -> Result<(), String> {
        let joins = self.tags.iter().any(|tag| tag.contains('~'));
        let words = ["true", "false", "none", "is", "in", "not"];
        let odd = seen.odd
            || self.tags.iter().any(|tag| {
                tag.contains(['=', '<', '>', '/', '*', '['])
                    || tag
                        .split(|c: char| !c.is_alphanumeric() && c != '_')
                        .any(|word| words.contains(&word.to_lowercase().as_str()))
            });
        if joins && odd {
            return Err("`~` beside values that are neither text nor whole numbers".to_owned());
        }
        match seen.markers[..] {
            [] => Ok(()),
            [marker] if self.is_single && self.tags[0].trim_end_matches("()").ends_with(marker) => Ok(()),
            _ => Err("`as_text`, `as_bool`, `as_number` or `as_native` that is not the last word".to_owned()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests;
