//! All that can be said of one tenant's traffic.

use crate::{
    Advice, Anomaly, Capacity, DAY, Forecast, NotYet, advise, delays, failures, next_hour, rates,
};

/// Traffic in five minutes each, oldest first, all of one length; `NaN` where nothing is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Traffic {
    pub requests: Vec<f64>,
    pub failures: Vec<f64>,
    /// Seconds that all requests took together.
    pub seconds: Vec<f64>,
}

/// What an anomaly is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Requests,
    Failures,
    Latency,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    pub forecast: Result<Forecast, NotYet>,
    pub advice: Option<Advice>,
    /// Of the last day, the newest first.
    pub anomalies: Vec<(About, Anomaly)>,
}

impl Traffic {
    /// Mean seconds of a request, by point.
    fn latency(&self) -> Vec<f64> {
        let pairs = self.seconds.iter().zip(&self.requests);
        pairs.map(|(s, r)| if *r > 0.0 { s / r } else { f64::NAN }).collect()
    }

    /// Mean seconds of a request in the last hour with any.
    #[must_use]
    pub fn recent_seconds(&self) -> f64 {
        let from = self.requests.len().saturating_sub(crate::HOUR);
        let sum =
            |values: &[f64]| values[from..].iter().copied().filter(|v| v.is_finite()).sum::<f64>();
        let requests = sum(&self.requests);
        if requests > 0.0 { sum(&self.seconds) / requests } else { 0.0 }
    }

    /// Looks at it. `servers` and `at_once` as in [`Capacity`]; none when it is not known who serves.
    #[must_use]
    pub fn look(&self, servers: Option<usize>, at_once: Option<usize>) -> Look {
        let forecast = next_hour(&self.requests);
        let advice = servers.zip(forecast.as_ref().ok()).and_then(|(servers, forecast)| {
            let capacity = Capacity { servers, at_once, seconds: self.recent_seconds() };
            advise(forecast, &self.requests, &capacity)
        });
        let since = self.requests.len().saturating_sub(DAY);
        let of = |about: About, found: Vec<Anomaly>| found.into_iter().map(move |one| (about, one));
        let mut anomalies: Vec<(About, Anomaly)> =
            of(About::Requests, rates(&self.requests, since))
                .chain(of(About::Failures, failures(&self.failures, &self.requests, since)))
                .chain(of(About::Latency, delays(&self.latency(), since)))
                .collect();
        anomalies.sort_by_key(|(_, one)| std::cmp::Reverse(one.to));
        Look { forecast, advice, anomalies }
    }
}
