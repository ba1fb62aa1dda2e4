//! XML as a tree.

use crate::variable;
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

/// One element.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) children: Vec<Node>,
    /// Taken out again: `remove="1"`.
    pub(super) removed: bool,
}

impl Node {
    /// The only child of that name, unless it is taken out.
    pub(super) fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name && !child.removed)
    }

    /// The text of the child of that name.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// A whole number in the child of that name.
    ///
    /// Errors: it is none.
    pub(super) fn number_of<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(text) = self.text_of(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("{}.{name}: `{text}` is no number that fits", self.name))
    }

    /// Refuses children that are not in `known`, and children that are there twice unless they may be.
    pub(super) fn only(&self, known: &[&str], many: &[&str]) -> Result<(), String> {
        for (index, child) in self.children.iter().enumerate() {
            let name = child.name.as_str();
            if !known.contains(&name) && !many.contains(&name) {
                return Err(format!("element <{name}> in <{}> is unknown", self.name));
            }
            if !many.contains(&name) && self.children[..index].iter().any(|other| other.name == name) {
                return Err(format!("element <{name}> in <{}> is there twice", self.name));
            }
        }
        Ok(())
    }
}

/// The root element.
///
/// Errors: it is no well-formed XML, or has an attribute that is not understood.
pub(super) fn parse(text: &str) -> Result<Node, String> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Node> = vec![Node::default()];
    loop {
        let at = |error: &dyn std::fmt::Display| format!("XML: {error}");
        match reader.read_event().map_err(|error| at(&error))? {
            Event::Start(start) => open.push(node(&start)?),
            Event::Empty(start) => close(&mut open, node(&start)?)?,
            Event::End(_) => {
                let node = open.pop().ok_or("XML: an element ends that did not start")?;
                close(&mut open, node)?;
            }
            Event::Text(text) => push(&mut open, &text.xml_content(quick_xml::XmlVersion::Implicit1_0)),
            Event::CData(text) => push(&mut open, &text.xml_content(quick_xml::XmlVersion::Implicit1_0)),
            Event::GeneralRef(entity) => {
                let name = entity.xml_content(quick_xml::XmlVersion::Implicit1_0);
                push(&mut open, &unescape(&format!("&{name};")).map_err(|error| at(&error))?);
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    match open.as_slice() {
        [Node { children, text, .. }] if children.len() == 1 && text.trim().is_empty() => Ok(children[0].clone()),
        [_] => Err("XML: there is not exactly one root element".to_owned()),
        _ => Err("XML: an element does not end".to_owned()),
    }
}

fn push(open: &mut [Node], text: &str) {
    if let Some(node) = open.last_mut() {
        node.text.push_str(text);
    }
}

fn close(open: &mut [Node], mut node: Node) -> Result<(), String> {
    node.text = node.text.trim().to_owned();
    if !node.text.is_empty() && !node.children.is_empty() {
        return Err(format!("XML: <{}> holds both text and elements", node.name));
    }
    open.last_mut().ok_or("XML: an element ends that did not start")?.children.push(node);
    Ok(())
}

fn node(start: &BytesStart<'_>) -> Result<Node, String> {
    let mut node = Node { name: start.name().as_ref().to_owned(), ..Node::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| format!("XML: {error}"))?;
        let value = attribute.value.clone().into_owned();
        match attribute.key.as_ref() {
            "remove" => node.removed = value == "1" || value == "remove",
            "replace" => {}
            "from_env" => node.text = variable(&value).ok_or_else(|| format!("variable {value} is not set"))?,
            other => return Err(format!("attribute {other} is unknown")),
        }
    }
    Ok(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_text_and_entities_are_read_and_the_rest_refused() {
        let root = parse("<?xml version=\"1.0\"?>\n<!-- c --><a><b>1 &amp; &#50;</b><c remove=\"1\"/></a>\n").unwrap();
        assert_eq!((root.name.as_str(), root.text_of("b")), ("a", Some("1 & 2")));
        assert!(root.child("c").is_none());
        assert!(root.only(&["b"], &[]).is_err() && root.only(&["b", "c"], &[]).is_ok());
        for wrong in ["", "a", "<a>", "<a></b>", "<a/><b/>", "<a x='1'/>", "<a>t<b/></a>", "<a>&nope;</a>"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
