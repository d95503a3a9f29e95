// Histogram and Q-Q plot of a few samples: for a terminal, and as a gnuplot script.
#pragma once

#include <string>
#include <vector>

namespace ballast {

struct Sample {
  std::string name;            // "norm", "log norm"
  std::vector<double> values;  // at least 3, finite
};

struct SampleRow {
  std::string title;            // of the window
  std::vector<Sample> samples;  // beside each other
};

// Bins of equal width: as many as Freedman and Diaconis say, 5 to 40, but a whole number of `tick`
// wide where the values are multiples of one (0: they are not).
struct Histogram {
  double low = 0, width = 1;
  std::vector<int64_t> counts;
};
Histogram histogram_of(const std::vector<double>& values, int64_t most_bins, double tick);
// The largest power of ten of which all values are multiples; 0 when there is none above 1e-7 of
// the largest.
double tick_of(const std::vector<double>& values);

// Fits `columns`; every line ends with LF.
std::string distribution_text(const SampleRow& row, int columns);
std::string distribution_script(const std::vector<SampleRow>& rows, bool svg,
                                const std::string& title);

}  // namespace ballast
