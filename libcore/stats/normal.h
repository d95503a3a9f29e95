// The standard normal distribution: cdf, its logarithm far into the tails, and quantiles. Pure.
// Full double precision but for the last digits: relative error below 1e-13.
#pragma once

namespace ballast {

double normal_cdf(double x);
double normal_upper(double x);    // 1 - cdf, without cancellation
double log_normal_cdf(double x);  // finite for every finite x whose square does not overflow
// x with cdf(x) = p. 0 and 1 give -infinity and infinity; outside of them NaN.
double normal_quantile(double p);

}  // namespace ballast
