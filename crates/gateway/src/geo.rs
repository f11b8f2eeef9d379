//! Where clients are, by a MaxMind database, and where upstreams are.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use maxminddb::{PathElement, Reader};

/// Latitude and longitude, in degrees.
pub(crate) type Point = (f64, f64);

/// A database that is read anew when its file changes.
pub(crate) struct Geo {
    path: PathBuf,
    opened: ArcSwap<Opened>,
}

struct Opened {
    reader: Reader<Vec<u8>>,
    stamp: Option<SystemTime>,
}

impl Geo {
    /// # Errors
    /// When the file is no database.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        Ok(Self { path: path.to_owned(), opened: ArcSwap::from_pointee(open(path)?) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks whether the file changed. One that cannot be read leaves the one that was.
    pub(crate) fn refresh(&self) {
        if stamp(&self.path) == self.opened.load().stamp {
            return;
        }
        match open(&self.path) {
            Ok(opened) => {
                self.opened.store(std::sync::Arc::new(opened));
                tracing::info!(event = "gateway_geoip_changed");
            }
            Err(reason) => tracing::warn!(event = "gateway_geoip_unread", reason),
        }
    }

    /// Whether it knows coordinates, not only countries.
    pub(crate) fn knows_places(&self) -> bool {
        let opened = self.opened.load();
        let kind = &opened.reader.metadata().database_type;
        ["City", "Enterprise", "Insights"].iter().any(|known| kind.contains(known))
    }

    /// The country's code, such as `BR`.
    pub(crate) fn country(&self, ip: IpAddr) -> Option<String> {
        let opened = self.opened.load();
        let found = opened.reader.lookup(ip).ok()?;
        let path = [PathElement::Key("country"), PathElement::Key("iso_code")];
        found.decode_path::<String>(&path).ok()?
    }

    pub(crate) fn point(&self, ip: IpAddr) -> Option<Point> {
        let opened = self.opened.load();
        let found = opened.reader.lookup(ip).ok()?;
        let of = |name| {
            let path = [PathElement::Key("location"), PathElement::Key(name)];
            found.decode_path::<f64>(&path).ok()?
        };
        Some((of("latitude")?, of("longitude")?))
    }
}

fn stamp(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|meta| meta.modified()).ok()
}

fn open(path: &Path) -> Result<Opened, String> {
    let stamp = stamp(path);
    let reader = Reader::open_readfile(path).map_err(|cause| cause.to_string())?;
    Ok(Opened { reader, stamp })
}

/// Kilometres between two points on a sphere.
pub(crate) fn distance(a: Point, b: Point) -> f64 {
    let (lat_a, lat_b) = (a.0.to_radians(), b.0.to_radians());
    let (lat, lon) = ((b.0 - a.0).to_radians() / 2.0, (b.1 - a.1).to_radians() / 2.0);
    let half = lat.sin().powi(2) + lat_a.cos() * lat_b.cos() * lon.sin().powi(2);
    2.0 * 6371.0 * half.sqrt().min(1.0).asin()
}

/// Where the regions of large providers are, nearly. A number at the end stands for a part of the same region.
const REGIONS: &[(&str, Point)] = &[
    ("af-south", (-33.9, 18.4)),
    ("ap-east", (22.3, 114.2)),
    ("ap-northeast", (35.7, 139.7)),
    ("ap-south", (19.1, 72.9)),
    ("ap-southeast", (1.35, 103.8)),
    ("ap-southeast-2", (-33.9, 151.2)),
    ("ca-central", (45.5, -73.6)),
    ("eu-central", (50.1, 8.7)),
    ("eu-north", (59.3, 18.1)),
    ("eu-south", (45.5, 9.2)),
    ("eu-west", (53.3, -6.3)),
    ("eu-west-2", (51.5, -0.1)),
    ("eu-west-3", (48.9, 2.4)),
    ("me-south", (26.1, 50.6)),
    ("sa-east", (-23.5, -46.6)),
    ("us-central", (41.3, -95.9)),
    ("us-east", (38.9, -77.4)),
    ("us-east-2", (40.0, -83.0)),
    ("us-west", (37.4, -121.9)),
    ("us-west-2", (45.8, -119.7)),
];

/// Where a region is, if its name is known.
pub(crate) fn region(name: &str) -> Option<Point> {
    let find = |name: &str| REGIONS.iter().find(|(known, _)| *known == name).map(|(_, at)| *at);
    find(name).or_else(|| {
        let (general, number) = name.rsplit_once('-')?;
        number.parse::<u8>().ok()?;
        find(general)
    })
}

/// The names that [`region`] knows.
pub(crate) fn regions() -> String {
    REGIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_a_globe() {
        let (sao_paulo, london) = ((-23.55, -46.63), (51.51, -0.13));
        let far = distance(sao_paulo, london);
        assert!((9_400.0..9_600.0).contains(&far), "{far}");
        assert!(distance(london, london) < 0.001);
        // Over the date line it is not far.
        assert!(distance((0.0, 179.5), (0.0, -179.5)) < 120.0);
        assert_eq!(region("us-east-1"), region("us-east"));
        assert_ne!(region("us-east-2"), region("us-east"));
        assert_eq!(region("moon"), None);
    }
}
