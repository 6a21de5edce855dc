//! Pages of long lists: a cursor says where the next one begins.

use std::{fmt::Display, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;

/// Which page of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Where the page begins: `next` of the page before it. Without it the first page.
    pub cursor: Option<String>,
    /// At most so many items: 1 to 1000; without it 50.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
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
        self.limit.unwrap_or(50).clamp(1, 1000)
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
