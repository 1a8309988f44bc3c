//! A small tree of elements, written as HTML with everything escaped.

use std::borrow::Cow;
use std::fmt::{self, Display};

/// An element. Its names are the page's own; its values and texts may be anybody's.
pub(super) struct Element {
    tag: &'static str,
    attributes: Vec<(&'static str, Cow<'static, str>)>,
    children: Vec<Child>,
}

enum Child {
    Element(Element),
    Text(Cow<'static, str>),
}

impl Element {
    pub(super) const fn new(tag: &'static str) -> Self {
        Self { tag, attributes: Vec::new(), children: Vec::new() }
    }

    pub(super) fn set(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    pub(super) fn set_if(self, holds: bool, name: &'static str) -> Self {
        if holds { self.set(name, "") } else { self }
    }

    pub(super) fn class(self, class: &'static str) -> Self {
        self.set("class", class)
    }

    pub(super) fn text(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.children.push(Child::Text(text.into()));
        self
    }

    pub(super) fn child(mut self, child: Self) -> Self {
        self.children.push(Child::Element(child));
        self
    }

    pub(super) fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children.into_iter().map(Child::Element));
        self
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tag, attributes, children } = self;
        write!(f, "<{tag}")?;
        for (name, value) in attributes {
            write!(f, " {name}=\"{}\"", Escaped(value))?;
        }
        f.write_str(">")?;
        for child in children {
            match child {
                Child::Element(element) => element.fmt(f)?,
                Child::Text(text) => Escaped(text).fmt(f)?,
            }
        }
        write!(f, "</{tag}>")
    }
}

/// Text that nothing in it can turn into markup, in an element or in a quoted attribute.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            f.write_str(&rest[..at])?;
            f.write_str(match rest.as_bytes()[at] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                _ => "&#39;",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_values_stay_text() {
        let element = Element::new("p")
            .set("title", "\"><script>")
            .text("<img src=x onerror='a()'> & more")
            .child(Element::new("b").set_if(true, "hidden").set_if(false, "open"));

        assert_eq!(
            element.to_string(),
            "<p title=\"&quot;&gt;&lt;script&gt;\">&lt;img src=x onerror=&#39;a()&#39;&gt; \
             &amp; more<b hidden=\"\"></b></p>"
        );
    }
}
