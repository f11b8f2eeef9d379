//! How pages look and speak: components as functions, the document around a page, colours that can
//! be read, both languages, and the assets that are embedded.
//!
//! # Invariants
//! - A page needs nothing from another host, no inline script and no inline style: the policy of
//!   [`CONTENT_SECURITY_POLICY`] forbids them.
//! - Every text is given in both languages where it is written ([`Lang::t`]).
//! - A tenant's colour is changed until it can be read on what it stands on ([`Colour`]).

mod assets;
mod brand;
mod colour;
mod component;
mod document;
mod format;
mod icon;
mod lang;
mod marks;

pub use assets::{Asset, asset, asset_path};
pub use brand::Brand;
pub use colour::{Colour, NotAColour};
pub use component::{
    Field, Tone, badge, copyable, csrf_field, empty, link_button, notice, number_card, page_head,
    submit,
};
pub use document::{CONTENT_SECURITY_POLICY, Document, NavItem, Shell, bare, initials, shell};
pub use format::{
    ago, bytes, clock_time, count, date, date_time, duration, exact_time, money, percent, phone,
    when,
};
pub use icon::{Icon, icon};
pub use lang::Lang;
pub use marks::chat_text;
