//! What a request does: rows by method, path, query and headers, of which the first that fits
//! counts.

use std::borrow::Cow;

use azure_core::http::headers::HeaderName;
use azure_core::http::{Method, Request};

use super::hint::str_of;
use crate::replay::Safety;

/// A row: whether such a request may be executed twice.
#[derive(Debug)]
pub(in crate::azure) struct Operation {
    pub(in crate::azure) when: &'static str,
    pub(in crate::azure) fits: fn(&Call<'_>) -> bool,
    pub(in crate::azure) repeat: Repeat,
    pub(in crate::azure) why: &'static str,
}

/// Whether twice is once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::azure) enum Repeat {
    Idempotent,
    Keyed,
    Unsafe,
    /// Costs money and changes nothing.
    Paid,
    /// Makes another version of the same.
    Version,
}

/// A row: an answer to such a request that may be due to an earlier attempt.
#[derive(Debug)]
pub(in crate::azure) struct Doubt {
    pub(in crate::azure) when: &'static str,
    pub(in crate::azure) fits: fn(&Call<'_>) -> bool,
    pub(in crate::azure) statuses: &'static [u16],
    pub(in crate::azure) why: &'static str,
}

impl Operation {
    pub(in crate::azure) const fn new(
        when: &'static str,
        fits: fn(&Call<'_>) -> bool,
        repeat: Repeat,
        why: &'static str,
    ) -> Self {
        Self { when, fits, repeat, why }
    }

    pub(in crate::azure) const fn safety(&self, versions: bool, paid: bool) -> Safety {
        match self.repeat {
            Repeat::Idempotent => Safety::Idempotent,
            Repeat::Keyed => Safety::Keyed,
            Repeat::Unsafe => Safety::Unsafe,
            Repeat::Paid => idempotent_if(paid),
            Repeat::Version => idempotent_if(versions),
        }
    }
}

impl Doubt {
    pub(in crate::azure) const fn new(
        when: &'static str,
        fits: fn(&Call<'_>) -> bool,
        statuses: &'static [u16],
        why: &'static str,
    ) -> Self {
        Self { when, fits, statuses, why }
    }
}

const fn idempotent_if(yes: bool) -> Safety {
    if yes { Safety::Idempotent } else { Safety::Unsafe }
}

/// Whether `call` is a read. A function, so that rows can name it.
pub(in crate::azure) fn reads(call: &Call<'_>) -> bool {
    call.is(Method::Get) || call.is(Method::Head)
}

/// A request, as rows look at it.
#[derive(Debug)]
pub(in crate::azure) struct Call<'a> {
    request: &'a Request,
    method: Method,
}

impl<'a> Call<'a> {
    pub(in crate::azure) fn new(request: &'a Request) -> Self {
        Self { request, method: request.method() }
    }

    pub(in crate::azure) fn is(&self, method: Method) -> bool {
        self.method == method
    }

    /// The value of a parameter of the query, whose name is compared as services do: in any case.
    pub(in crate::azure) fn query(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut pairs = self.request.url().query_pairs();
        pairs.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    }

    pub(in crate::azure) fn query_is(&self, name: &str, value: &str) -> bool {
        self.query(name).is_some_and(|found| found.eq_ignore_ascii_case(value))
    }

    /// A header's value, unless it is empty.
    pub(in crate::azure) fn header(&self, name: &HeaderName) -> Option<&'a str> {
        let value = str_of(self.request.headers(), name)?.trim_ascii();
        (!value.is_empty()).then_some(value)
    }

    pub(in crate::azure) fn header_is(&self, name: &HeaderName, value: &str) -> bool {
        self.header(name).is_some_and(|found| found.eq_ignore_ascii_case(value))
    }

    /// The segments of the path from its end, without empty ones.
    fn segments(&self) -> impl Iterator<Item = &'a str> {
        let path = self.request.url().path();
        path.rsplit('/').filter(|segment| !segment.is_empty())
    }

    /// The segment that has `after` others behind it.
    pub(in crate::azure) fn segment(&self, after: usize) -> Option<&'a str> {
        self.segments().nth(after)
    }

    /// Whether the path ends with these segments. `*` stands for any one.
    pub(in crate::azure) fn ends_with(&self, pattern: &[&str]) -> bool {
        let mut segments = self.segments();
        pattern.iter().rev().all(|wanted| {
            segments
                .next()
                .is_some_and(|found| *wanted == "*" || found.eq_ignore_ascii_case(wanted))
        })
    }

    /// Whether the path consists of these segments. `*` stands for any one.
    pub(in crate::azure) fn path_is(&self, pattern: &[&str]) -> bool {
        self.segments().count() == pattern.len() && self.ends_with(pattern)
    }
}
