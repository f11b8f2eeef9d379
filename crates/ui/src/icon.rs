//! One set of icons: 24 × 24, strokes of 1.5.

use maud::{Markup, PreEscaped, html};

/// What an icon shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    Home,
    Inbox,
    Book,
    Spark,
    Plug,
    People,
    Palette,
    Key,
    Scroll,
    Gear,
    Phone,
    Search,
    Send,
    Plus,
    Check,
    Cross,
    Warn,
    Person,
    Menu,
    Back,
    Attach,
    Note,
    Moon,
    Exit,
    Building,
    Refresh,
    Mail,
}

impl Icon {
    /// Every icon, for the page that shows the components.
    pub const ALL: [Self; 27] = [
        Self::Home,
        Self::Inbox,
        Self::Book,
        Self::Spark,
        Self::Plug,
        Self::People,
        Self::Palette,
        Self::Key,
        Self::Scroll,
        Self::Gear,
        Self::Phone,
        Self::Search,
        Self::Send,
        Self::Plus,
        Self::Check,
        Self::Cross,
        Self::Warn,
        Self::Person,
        Self::Menu,
        Self::Back,
        Self::Attach,
        Self::Note,
        Self::Moon,
        Self::Exit,
        Self::Building,
        Self::Refresh,
        Self::Mail,
    ];
}

fn path(icon: Icon) -> &'static str {
    match icon {
        Icon::Home => "M3 11.5 12 4l9 7.5M5.5 9.8V20h13V9.8M10 20v-5.5h4V20",
        Icon::Inbox => "M3 13.5 5.5 5h13L21 13.5V19H3zM3 13.5h5.5l1.5 2.5h4l1.5-2.5H21",
        Icon::Book => {
            "M5 4.5h11.5A2.5 2.5 0 0 1 19 7v13H7.5A2.5 2.5 0 0 1 5 17.5zM5 17.5A2.5 2.5 0 0 1 7.5 15H19M9 8.5h6"
        }
        Icon::Spark => {
            "M12 3.5c.6 4.6 2.9 7.4 8 8.5-5.1 1.1-7.4 3.9-8 8.5-.6-4.6-2.9-7.4-8-8.5 5.1-1.1 7.4-3.9 8-8.5z"
        }
        Icon::Plug => "M9 3v5M15 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4",
        Icon::People => {
            "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.4-3.7 3-5.7 6.5-5.7s6.1 2 6.5 5.7M16 5a3.3 3.3 0 0 1 0 6.3M18 14.8c2 .8 3.2 2.5 3.5 5.2"
        }
        Icon::Palette => {
            "M12 3.5a8.5 8.5 0 1 0 0 17c1.6 0 2-1 1.6-2-.6-1.4.2-2.7 1.7-2.7H18a2.5 2.5 0 0 0 2.5-2.6C20.300 7.600 16.700 3.500 12 3.500zM8 12h.01M9.500 8h.01M14.500 8h.01"
        }
        Icon::Key => {
            "M14.500 4a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11zM10.500 13.500 4 20M6.500 17.500l2 2M16 8.500h.01"
        }
        Icon::Scroll => {
            "M6 4h10.500v16L14 18.500 11.500 20 9 18.500 6.500 20zM9.500 8.500h4M9.500 12h4"
        }
        Icon::Gear => {
            "M12 8.800a3.200 3.200 0 1 0 0 6.400 3.200 3.200 0 0 0 0-6.400zM12 3v2.500M12 18.500V21M3 12h2.500M18.500 12H21M5.600 5.600l1.800 1.800M16.600 16.600l1.800 1.800M18.400 5.600l-1.800 1.800M7.400 16.600l-1.800 1.800"
        }
        Icon::Phone => {
            "M8 3h8a1.500 1.500 0 0 1 1.500 1.500v15A1.500 1.500 0 0 1 16 21H8a1.500 1.500 0 0 1-1.500-1.500v-15A1.500 1.500 0 0 1 8 3zM10.500 18h3"
        }
        Icon::Search => {
            "M11 4.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM15.800 15.800 20.500 20.500"
        }
        Icon::Send => "M4 12 20 4l-5.500 16-3.200-6.500zM11.300 13.500 20 4",
        Icon::Plus => "M12 5v14M5 12h14",
        Icon::Check => "m5 12.500 4.500 4.500L19 7.500",
        Icon::Cross => "m6 6 12 12M18 6 6 18",
        Icon::Warn => "M12 4 21.500 20h-19zM12 10v4.500M12 17.300h.01",
        Icon::Person => {
            "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.500 20.500c.5-4 3.400-6 7.500-6s7 2 7.500 6"
        }
        Icon::Menu => "M4 7h16M4 12h16M4 17h16",
        Icon::Back => "M19 12H5M11 6l-6 6 6 6",
        Icon::Attach => {
            "m19.500 11.500-7.800 7.800a5 5 0 0 1-7-7l8.500-8.500a3.300 3.300 0 0 1 4.700 4.700l-8.400 8.400a1.600 1.600 0 0 1-2.300-2.300l7.300-7.300"
        }
        Icon::Note => "M5 4h14v11l-5 5H5zM14 20v-5h5M8.500 8.500h7M8.500 12h4",
        Icon::Moon => "M20 14.500A8.300 8.300 0 0 1 9.500 4a8.300 8.300 0 1 0 10.500 10.500z",
        Icon::Exit => "M14 4.500H5.500v15H14M10 12h11M17.500 8.500 21 12l-3.500 3.500",
        Icon::Building => "M5 20.500V4h9v16.500M14 9.500h5v11M3 20.500h18M8 8h3M8 12h3M8 16h3",
        Icon::Refresh => {
            "M20 5v5h-5M4 19v-5h5M19.300 10A7.700 7.700 0 0 0 5.400 8M4.700 14a7.700 7.700 0 0 0 13.900 2"
        }
        Icon::Mail => "M3.500 5.500h17v13h-17zM3.500 6.500 12 13l8.500-6.500",
    }
}

/// The icon, hidden from screen readers: words beside it say what it means.
pub fn icon(icon: Icon) -> Markup {
    html! {
        svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false" {
            (PreEscaped(format!("<path d=\"{}\"/>", path(icon))))
        }
    }
}
