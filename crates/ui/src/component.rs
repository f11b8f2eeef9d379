//! Components, each once.

use maud::{Markup, Render, html};

use crate::{Icon, icon};

/// What a badge or a message means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Neutral,
    Good,
    Warn,
    Bad,
    Accent,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Accent => "accent",
        }
    }
}

/// A word on a tinted ground. State is never told by colour alone: the word says it.
pub fn badge(tone: Tone, text: &str) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (text) } }
}

/// A message above a page's content.
pub fn notice(tone: Tone, text: &str) -> Markup {
    let sign = match tone {
        Tone::Good => Icon::Check,
        Tone::Warn | Tone::Bad => Icon::Warn,
        Tone::Neutral | Tone::Accent => Icon::Note,
    };
    html! {
        div class={ "notice " (tone.class()) } role=(if tone == Tone::Bad { "alert" } else { "status" }) {
            (icon(sign)) p { (text) }
        }
    }
}

/// The heading of a page, with what one does there at its right.
pub fn page_head(title: &str, lead: &str, action: Option<Markup>) -> Markup {
    html! {
        header.page-head {
            div { h1 { (title) } @if !lead.is_empty() { p.lead { (lead) } } }
            @if let Some(action) = action { div.actions { (action) } }
        }
    }
}

/// Nothing here yet: what it is for, and the one next step.
pub fn empty(sign: Icon, title: &str, text: &str, action: Option<Markup>) -> Markup {
    html! {
        div.empty {
            (icon(sign)) h2 { (title) } p { (text) }
            @if let Some(action) = action { (action) }
        }
    }
}

/// The token that proves a form came from our own page.
pub fn csrf_field(token: &str) -> Markup {
    html! { input type="hidden" name="_csrf" value=(token); }
}

/// The button that sends a form.
pub fn submit(text: &str) -> Markup {
    html! { button.primary type="submit" { (text) } }
}

pub fn link_button(href: &str, text: &str) -> Markup {
    html! { a.button href=(href) { (text) } }
}

/// A number, what it counts, and where that can be seen.
pub fn number_card(value: &str, label: &str, href: Option<&str>) -> Markup {
    html! {
        div.number {
            @if let Some(href) = href { a href=(href) { strong { (value) } span { (label) } } }
            @else { strong { (value) } span { (label) } }
        }
    }
}

/// A text that is shown once and copied by a button.
pub fn copyable(label: &str, text: &str, copy: &str) -> Markup {
    html! {
        div.copyable {
            code tabindex="0" aria-label=(label) { (text) }
            button type="button" data-copy=(text) { (copy) }
        }
    }
}

/// One input of a form, with its label, a hint and what was wrong with it.
pub struct Field<'a> {
    label: &'a str,
    name: &'a str,
    value: &'a str,
    kind: Kind<'a>,
    hint: &'a str,
    error: Option<&'a str>,
    required: bool,
    most: Option<usize>,
    complete: Option<&'a str>,
}

enum Kind<'a> {
    Input(&'a str),
    Area(u8),
    Select(&'a [(String, String)]),
    Switch,
}

impl<'a> Field<'a> {
    fn of(name: &'a str, label: &'a str, kind: Kind<'a>) -> Self {
        Self {
            label,
            name,
            value: "",
            kind,
            hint: "",
            error: None,
            required: false,
            most: None,
            complete: None,
        }
    }

    /// An `<input>` of this type, such as `text`, `email`, `password`, `time`.
    pub fn input(name: &'a str, label: &'a str, kind: &'a str) -> Self {
        Self::of(name, label, Kind::Input(kind))
    }

    /// Text of several lines.
    pub fn area(name: &'a str, label: &'a str, rows: u8) -> Self {
        Self::of(name, label, Kind::Area(rows))
    }

    /// One of several, as value and what is shown.
    pub fn select(name: &'a str, label: &'a str, options: &'a [(String, String)]) -> Self {
        Self::of(name, label, Kind::Select(options))
    }

    /// On or off; on is sent as `1`.
    pub fn switch(name: &'a str, label: &'a str) -> Self {
        Self::of(name, label, Kind::Switch)
    }

    #[must_use]
    pub fn value(mut self, value: &'a str) -> Self {
        self.value = value;
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: &'a str) -> Self {
        self.hint = hint;
        self
    }

    #[must_use]
    pub fn error(mut self, error: Option<&'a str>) -> Self {
        self.error = error;
        self
    }

    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    #[must_use]
    pub fn most(mut self, characters: usize) -> Self {
        self.most = Some(characters);
        self
    }

    /// What a password manager or browser may fill in, by the names of HTML's `autocomplete`.
    #[must_use]
    pub fn complete(mut self, what: &'a str) -> Self {
        self.complete = Some(what);
        self
    }
}

impl Render for Field<'_> {
    fn render(&self) -> Markup {
        let id = format!("f-{}", self.name);
        let about = format!("{id}-about");
        let described = (!self.hint.is_empty() || self.error.is_some()).then_some(about.as_str());
        let invalid = self.error.map(|_| "true");
        html! {
            div.field.switch[matches!(self.kind, Kind::Switch)].invalid[self.error.is_some()] {
                @if let Kind::Switch = self.kind {
                    input type="checkbox" id=(id) name=(self.name) value="1" checked[self.value == "1"]
                        aria-describedby=[described];
                }
                label for=(id) { (self.label) }
                @match self.kind {
                    Kind::Input(kind) => input type=(kind) id=(id) name=(self.name) value=(self.value)
                        required[self.required] maxlength=[self.most] autocomplete=[self.complete]
                        aria-describedby=[described] aria-invalid=[invalid];,
                    Kind::Area(rows) => textarea id=(id) name=(self.name) rows=(rows)
                        required[self.required] maxlength=[self.most]
                        aria-describedby=[described] aria-invalid=[invalid] { (self.value) },
                    Kind::Select(options) => select id=(id) name=(self.name)
                        aria-describedby=[described] aria-invalid=[invalid] {
                        @for (value, shown) in options {
                            option value=(value) selected[value == self.value] { (shown) }
                        }
                    },
                    Kind::Switch => {}
                }
                @if let Some(about) = described {
                    p.about id=(about) {
                        @if let Some(error) = self.error { span.error { (icon(Icon::Warn)) (error) } " " }
                        (self.hint)
                    }
                }
            }
        }
    }
}
