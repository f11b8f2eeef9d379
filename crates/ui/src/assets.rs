//! Files that are part of the program, under names that change with their content.

use std::sync::LazyLock;

/// A file as it is served.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    pub name: &'static str,
    pub mime: &'static str,
    pub body: &'static str,
}

const ASSETS: [Asset; 4] = [
    Asset {
        name: "panel.css",
        mime: "text/css; charset=utf-8",
        body: include_str!("../assets/panel.css"),
    },
    Asset {
        name: "panel.js",
        mime: "text/javascript; charset=utf-8",
        body: include_str!("../assets/panel.js"),
    },
    Asset {
        name: "forms.js",
        mime: "text/javascript; charset=utf-8",
        body: include_str!("../assets/forms.js"),
    },
    Asset {
        name: "htmx.js",
        mime: "text/javascript; charset=utf-8",
        body: include_str!("../assets/htmx.min.js"),
    },
];

/// Under which address browsers keep an asset for good: a new build has another.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    // FNV-1a: only has to differ when a file does.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in ASSETS.iter().flat_map(|asset| asset.body.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
});

/// The address of an asset.
pub fn asset_path(name: &str) -> String {
    format!("/painel/assets/{}/{name}", *VERSION)
}

/// The asset of that name.
pub fn asset(name: &str) -> Option<Asset> {
    ASSETS.into_iter().find(|asset| asset.name == name)
}
