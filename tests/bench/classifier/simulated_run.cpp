#include "tests/bench/classifier/simulated_run.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace ballast {
namespace {

// splitmix64; Gaussians by Box and Muller. The same numbers with every library.
class Chance {
 public:
  explicit Chance(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ULL + 0x1234567ULL) {}
  double uniform(double low, double high) { return low + (high - low) * unit(); }
  double log_uniform(double low, double high) {
    return std::exp(uniform(std::log(low), std::log(high)));
  }
  int64_t whole(int64_t low, int64_t high) {  // both ends
    return low + static_cast<int64_t>(unit() * static_cast<double>(high - low + 1));
  }
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - unit()));
    return radius * std::cos(2 * std::numbers::pi * unit());
  }
  // Student's t with 4 degrees of freedom, scaled to deviation 1.
  double heavy() {
    double squares = 0;
    for (int i = 0; i < 4; ++i) {
      const double x = normal();
      squares += x * x;
    }
    return normal() / std::sqrt(squares / 4) / std::numbers::sqrt2;
  }

 private:
  double unit() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1.0p-53;
  }
  uint64_t state_;
};

// Noise of deviation about 1 of one kind.
class Noise {
 public:
  Noise(int kind, Chance& chance) : kind_(kind), chance_(chance), rho_(chance.uniform(.3, .8)) {}
  double next(int64_t step) {
    if (kind_ == 3) return chance_.heavy();
    const double e = chance_.normal();
    if (kind_ == 0) return e;
    if (kind_ == 1) return last_ = rho_ * last_ + std::sqrt(1 - rho_ * rho_) * e;
    const double wave = std::sin(2 * std::numbers::pi * static_cast<double>(step) / 700);
    return e * (1 + .6 * wave) * (.8 + 1.2 * std::exp(-static_cast<double>(step) / 1000));
  }

 private:
  int kind_;
  Chance& chance_;
  double rho_, last_ = 0;
};

// What a run is made of, drawn once.
struct Plan {
  double floor, fall, knee, exponent;  // floor + fall (knee/(step + knee))^exponent
  double loss_noise, norm, norm_noise;
  int64_t onset, lead, rise;
  double jump, settled;  // nats above the curve: at the peak, and what stays
  double tau;            // steps in which the rest decays
  double norm_jump;
  int shape;  // of type 3: stays up, grows, not finite
};

Plan draw(RunKind kind, Chance& c) {
  Plan p{};
  p.floor = c.uniform(1.8, 3);
  p.fall = c.uniform(3, 8);
  p.knee = c.log_uniform(10, 100);
  p.exponent = c.uniform(.4, .8);
  p.loss_noise = c.log_uniform(.008, .04);
  p.norm = c.log_uniform(.15, 1.5);
  p.norm_noise = c.uniform(.05, .15);
  p.onset = c.whole(900, 2400);
  p.lead = c.whole(0, 5);
  p.rise = c.whole(1, 10);
  p.norm_jump = c.log_uniform(4, 60);
  // From hardly visible to a loss that more than doubles.
  p.jump = c.log_uniform(12 * p.loss_noise, 4);
  if (kind == RunKind::type1) {
    const auto back = static_cast<double>(c.whole(5, 450));
    p.tau = back / std::log(p.jump / p.loss_noise);
  }
  if (kind == RunKind::type2) {
    p.jump = c.uniform(1, 4);
    p.settled = std::max(6 * p.loss_noise, c.uniform(.05, .3) * p.jump);
    p.tau = c.uniform(5, 60);
  }
  if (kind == RunKind::type3) {
    p.jump = c.uniform(1, 5);
    p.shape = static_cast<int>(c.whole(0, 2));
  }
  return p;
}

double curve_at(const Plan& p, double t) {
  return p.floor + p.fall * std::pow(p.knee / (t + p.knee), p.exponent);
}

double excess_of(RunKind kind, const Plan& p, int64_t step) {
  if (step < p.onset) return 0;
  const auto since = static_cast<double>(step - p.onset);
  const double up = std::min(1.0, (since + 1) / static_cast<double>(p.rise));
  const double after = std::max(0.0, since - static_cast<double>(p.rise));
  if (kind == RunKind::type1) return p.jump * up * std::exp(-after / p.tau);
  if (kind == RunKind::type2)
    return up * (p.settled + (p.jump - p.settled) * std::exp(-after / p.tau));
  if (kind != RunKind::type3) return 0;
  if (p.shape == 2 && step >= p.onset + p.rise) return std::numeric_limits<double>::quiet_NaN();
  if (p.shape == 1) return up * (.3 * p.jump + p.jump * since / 1500);
  return up * p.jump;
}

// Levels after a planned change at p.onset: of the loss (added), the norm (times), the noise.
struct Shift {
  double loss = 0, norm = 1, noise = 1;
};
Shift draw_shift(Chance& c) {
  switch (c.whole(0, 2)) {
    case 0:  // other data
      return {c.uniform(.05, .6), c.log_uniform(.6, 2.5), c.uniform(.8, 1.5)};
    case 1:  // twice the batch
      return {c.uniform(-.05, 0), std::numbers::sqrt2 / 2, std::numbers::sqrt2 / 2};
    default:  // another learning rate
      return {c.uniform(-.1, .2), c.log_uniform(.6, 2), 1};
  }
}

}  // namespace

SimulatedRun simulate(RunKind kind, int noise, uint64_t seed) {
  Chance chance(seed);
  const Plan p = draw(kind, chance);
  const Shift shift = kind == RunKind::planned ? draw_shift(chance) : Shift();
  Noise loss_noise(noise, chance), norm_noise(noise, chance);
  SimulatedRun run;
  run.kind = kind;
  run.noise = noise;
  const bool incident = kind >= RunKind::type1;
  if (incident) {
    run.onset = p.onset;
    run.lead = p.lead;
    run.over = kSimulatedSteps + 1;
    run.settled = p.settled;
    const auto onset = static_cast<double>(p.onset);
    run.fall = curve_at(p, onset) - curve_at(p, onset + 500);
  }
  if (kind == RunKind::planned) run.events.push_back(p.onset);
  if (kind == RunKind::type1)
    run.over =
        p.onset + p.rise + static_cast<int64_t>(p.tau * std::log(p.jump / p.loss_noise)) + 50;
  for (int64_t step = 1; step <= kSimulatedSteps; ++step) {
    const auto t = static_cast<double>(step);
    const bool shifted = kind == RunKind::planned && step >= p.onset;
    double loss = curve_at(p, t) +
                  p.loss_noise * (shifted ? shift.noise : 1) * loss_noise.next(step) +
                  (shifted ? shift.loss : 0);
    double norm = p.norm * (1 + 3 * std::exp(-t / 100)) * (shifted ? shift.norm : 1) *
                  std::exp(p.norm_noise * norm_noise.next(step));
    if (kind == RunKind::growing_norm) norm *= std::exp(std::log(8.0) * t / kSimulatedSteps);
    if (incident) {
      const double excess = excess_of(kind, p, step);
      loss += excess;
      // The norm is up from `lead` steps before the onset for as long as the loss is well up.
      const bool early = step >= p.onset - p.lead && step < p.onset + p.rise;
      if (early || excess > .5 * p.jump) norm *= p.norm_jump;
      if (std::isnan(excess)) norm = excess;
    }
    run.steps.push_back(step);
    run.loss.push_back(loss);
    run.norm.push_back(norm);
  }
  return run;
}

namespace {

// One incident of a loss: its course from the onset on, and the noise while it is up.
struct Detour {
  double jump, rise, back;  // nats; steps to the peak; steps from there until the noise is reached
  double settled = 0;       // nats that stay
  double again = 0;         // steps after the onset at which it jumps once more
  double noise = 1;         // times the usual
};

Detour draw_detour(Course course, const Plan& p, Chance& c) {
  Detour d{c.log_uniform(20 * p.loss_noise, 4), static_cast<double>(c.whole(1, 10)),
           c.uniform(60, 440)};
  if (course == Course::slow_rise) d.rise = c.uniform(15, 30);
  if (course == Course::loud) d.noise = c.uniform(1.5, 4);
  if (course == Course::two_spikes) {
    d.again = c.uniform(20, 200);
    d.back = c.uniform(60, 430 - d.again);
  }
  if (course == Course::lingering) d.settled = c.uniform(.1, .5) * d.jump + 10 * p.loss_noise;
  if (course == Course::loud_plateau) d.noise = c.uniform(1.5, 4);
  if (course == Course::low_plateau) d.jump = c.uniform(10, 20) * p.loss_noise;
  return d;
}

double detour_at(Course course, const Plan& p, const Detour& d, double since) {
  const double up = std::min(1.0, (since + 1) / d.rise);
  const double after = std::max(0.0, since - d.rise);
  const double rate = std::log(d.jump / p.loss_noise) / d.back;  // per step, of an exponential
  switch (course) {
    case Course::linear:
      return d.jump * up * std::max(0.0, 1 - after / d.back);
    case Course::hyperbolic:
      return d.jump * up / (1 + after / d.back * (d.jump / p.loss_noise - 1));
    case Course::two_spikes: {
      const double second = since < d.again ? 0 : d.jump * std::exp(-rate * (since - d.again));
      return d.jump * up * std::exp(-rate * after) + second;
    }
    case Course::lingering:
      return up * (d.settled + (d.jump - d.settled) * std::exp(-rate * after));
    case Course::exponential:
    case Course::slow_rise:
    case Course::loud:
      return d.jump * up * std::exp(-rate * after);
    case Course::growing:
      return up * (.3 * d.jump + d.jump * since / 1500);
    case Course::runaway:  // ten times as high 50 steps later, no higher than 10 nats
      return std::min(10.0, 12 * p.loss_noise * std::exp(since * std::log(10.0) / 50));
    case Course::plateau:
    case Course::loud_plateau:
    case Course::low_plateau:
      break;
  }
  return d.jump * up;
}

}  // namespace

SimulatedCourse simulate_course(Course course, int noise, uint64_t seed) {
  Chance chance(seed);
  const Plan p = draw(RunKind::calm, chance);
  const Detour d = draw_detour(course, p, chance);
  Noise loss_noise(noise, chance);
  SimulatedCourse run;
  run.onset = p.onset;
  for (int64_t step = 1; step <= p.onset + 1000; ++step) {
    const auto t = static_cast<double>(step);
    const bool up = step >= p.onset;
    const double excess = up ? detour_at(course, p, d, static_cast<double>(step - p.onset)) : 0;
    const double loud = excess > p.loss_noise ? d.noise : 1;
    run.loss.push_back(curve_at(p, t) + p.loss_noise * loud * loss_noise.next(step) + excess);
  }
  return run;
}

}  // namespace ballast
