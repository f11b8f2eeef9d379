//! Whose pages these are: a tenant's or the operator's name, colours and marks.

use crate::Colour;

/// What white label changes. Everything has a value, so pages need no second guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand {
    pub name: String,
    pub accent: Colour,
    /// Address of the logo, if one was uploaded.
    pub logo: Option<String>,
    /// Address of the icon of the browser's tab.
    pub icon: Option<String>,
    /// Address of the stylesheet made by [`Brand::stylesheet`].
    pub stylesheet: String,
    /// Shown at sign-in, in the owner's words.
    pub welcome: Option<String>,
    /// Where people get help.
    pub support_url: Option<String>,
}

impl Brand {
    /// The colours as custom properties, for light and dark.
    pub fn stylesheet(accent: Colour) -> String {
        let light = accent.readable_on(Colour::WHITE);
        let dark = accent.readable_on(Colour::NIGHT);
        let on = |ground: Colour| {
            if Colour::WHITE.contrast(ground) >= 4.5 { Colour::WHITE } else { Colour::NIGHT }
        };
        // Text in the accent's colour also stands on its own tint.
        let tint = light.tint(Colour::WHITE, 0.08);
        let deep = light.readable_on(tint);
        let night_tint = dark.tint(Colour::NIGHT, 0.16);
        let bright = dark.readable_on(night_tint);
        let block = |accent: Colour, on: Colour, tint: Colour, text: Colour| {
            format!("--accent:{accent};--on-accent:{on};--accent-tint:{tint};--accent-text:{text}")
        };
        let day = block(light, on(light), tint, deep);
        let night = block(dark, on(dark), night_tint, bright);
        format!(
            ":root{{{day}}}@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{night}}}}}\
             :root[data-theme=dark]{{{night}}}"
        )
    }

    /// The first letter, where there is no logo.
    pub fn initial(&self) -> String {
        self.name.chars().find(|c| c.is_alphanumeric()).unwrap_or('·').to_uppercase().collect()
    }

    /// What the tab says.
    pub fn title(&self, page: &str) -> String {
        if page.is_empty() { self.name.clone() } else { format!("{page} · {}", self.name) }
    }
}
