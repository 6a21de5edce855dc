//! Pages of long lists: a cursor says where the next one begins.

use std::{fmt::Display, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Problem, extract::number_in};

/// Which page of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Where the page begins: `next` of the page before it. Without it the first page.
    pub cursor: Option<String>,
    /// At most so many items: 1 to 1000; without it 50.
    #[param(minimum = 1, maximum = 1000)]
    #[serde(default, deserialize_with = "limit")]
    pub limit: Option<u32>,
}

fn limit<'de, D: Deserializer<'de>>(query: D) -> Result<Option<u32>, D::Error> {
    number_in(query, "limit", 1..=1000)
}

impl Paging {
    /// Where the page begins; none for the first one. What is no cursor of this list is refused.
    pub fn behind<T: FromStr>(&self) -> Result<Option<T>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        cursor.parse().map(Some).map_err(|_| {
            Problem::bad("the cursor is none of this list").hint("take `next` of the page before, as it is")
        })
    }

    /// How many items are wanted.
    pub fn limit(&self) -> u32 {
        self.limit.unwrap_or(50)
    }
}

/// A page of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// The cursor of the next page; null on the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Some items, and what the next page begins behind.
    pub fn of((items, next): (Vec<T>, Option<impl Display>)) -> Self {
        Self { items, next: next.map(|next| next.to_string()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use super::*;

    #[test]
    fn a_limit_outside_of_its_range_is_refused_by_its_name() {
        let limit = |query: &str| serde_html_form::from_str::<Paging>(query).map(|paging| paging.limit());
        assert_eq!(limit("").unwrap(), 50);
        assert_eq!(limit("limit=").unwrap(), 50);
        assert_eq!(limit("limit=1&other=x").unwrap(), 1);
        assert_eq!(limit("cursor=a&limit=1000").unwrap(), 1000);
        for wrong in ["0", "1001", "-1", "4294967296", "x", "5.0"] {
            let said = limit(&format!("limit={wrong}")).unwrap_err().to_string();
            assert_eq!(said, format!("`limit` is `{wrong}`, and has to be a number from 1 to 1000"));
        }
        assert!(limit(&format!("limit={}", "9".repeat(10_000))).unwrap_err().to_string().len() < 100);
    }
}
