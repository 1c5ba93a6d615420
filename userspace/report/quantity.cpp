// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/quantity.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/escape.h"
#include "report/figures.h"
#include "service/text.h"

namespace svcbench {

namespace {

struct Scale {
  double one;        // of the unit
  std::string name;  // owned: what scale_of() picks may be a temporary
};

Scale scale_of(double value, const std::string& unit) {
  const double size = std::abs(value);
  if (unit == "ns") {
    return size < 1e3   ? Scale{1, "ns"}
           : size < 1e6 ? Scale{1e3, "us"}
           : size < 1e9 ? Scale{1e6, "ms"}
                        : Scale{1e9, "s"};
  }
  if (unit == "bytes") {
    return size < 1024 ? Scale{1, "B"} : size < 1 << 20 ? Scale{1024, "KiB"} : Scale{1 << 20, "MiB"};
  }
  if (unit == "packets/s" || unit == "changes/s") {
    return size < 1e3 ? Scale{1, "/s"} : size < 1e6 ? Scale{1e3, "k/s"} : Scale{1e6, "M/s"};
  }
  return {1, unit == "instructions" ? "instr" : unit == "exponent" ? "" : unit};
}

std::string digits(double scaled, int decimals) {
  const double whole = std::round(scaled);
  if ((whole == scaled || decimals == 0) && whole >= 0 && whole < 1e15) {
    return grouped(static_cast<std::uint64_t>(whole));
  }
  std::string text = fmt::format("{:.{}f}", scaled, decimals);
  if (text.find_first_not_of("-0.") == text.npos) {
    text.erase(0, text.find_first_not_of('-'));  // -1e-17 is 0.000, not -0.000
  }
  return text;
}

// An exponent is compared with 0.1 and 0.8: three decimals say on which side it lies.
int decimals_for(double scaled, const std::string& unit) {
  return unit == "exponent" ? 3 : decimals_of(scaled);
}

std::string text_at(const Run& run, const char* pointer) {
  const nlohmann::json value = value_at(run, pointer);
  return without_controls(value.is_string() ? value.get<std::string>()
                          : value.is_null() ? "unknown"
                                            : value.dump());
}

}  // namespace

std::string quantity(double value, const std::string& unit) {
  const Scale scale = scale_of(value, unit);
  const double scaled = value / scale.one;
  return fmt::format("{}{}{}", digits(scaled, decimals_for(scaled, unit)), scale.name.empty() ? "" : " ",
                     scale.name);
}

std::string quantity(double value, const std::optional<stats::Interval>& interval,
                     const std::string& unit) {
  const Scale scale = scale_of(value, unit);
  const int decimals = decimals_for(value / scale.one, unit);
  // A bound far above the value has no more digits that mean something than it has by itself.
  const auto bound = [&](double end) {
    const double scaled = end / scale.one;
    return digits(scaled, std::min(decimals, decimals_for(scaled, unit)));
  };
  return quantity(value, unit) +
         (interval ? fmt::format(" [{}, {}]", bound(interval->low), bound(interval->high)) : " [?]");
}

std::string quantity(const Cell& cell) { return quantity(cell.value, cell.interval, cell.unit); }

bool is_quantile(std::string_view name) {
  return name.size() > 1 && name[0] == 'p' && name[1] >= '0' && name[1] <= '9';
}

std::string unit_of_part(const Cell& cell, std::string_view name) {
  return name.ends_with("_ns")                ? "ns"
         : name.ends_with("_bytes")           ? "bytes"
         : is_quantile(name) || name == "max" ? cell.unit
                                              : "";
}

std::string ratio_text(const std::optional<stats::Estimate>& ratio) {
  if (!ratio) {
    return "-";
  }
  // Three digits say what a ratio near 1 is about; of a large one fewer do.
  const int decimals = ratio->value < 10 ? 3 : 1;
  if (!ratio->interval) {
    return fmt::format("{:.{}f} [?]", ratio->value, decimals);
  }
  return fmt::format("{:.{}f} [{:.{}f},{:.{}f}]", ratio->value, decimals, ratio->interval->low, decimals,
                     ratio->interval->high, decimals);
}

std::string started_text(const nlohmann::json& run) {
  constexpr std::int64_t end_of_year_9999 = 253'402'300'799;
  const auto found = run.find("started_unix_seconds");
  if (found == run.end() || !found->is_number_integer()) {
    return "";
  }
  const auto seconds = found->get<std::int64_t>();
  if (seconds <= 0 || seconds > end_of_year_9999) {
    return "";
  }
  return fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

namespace {

// Of a ruleset whose dump says of itself that rules are missing: no.
bool is_whole(const Run& run) {
  const nlohmann::json said = value_at(run, "/details/ruleset/incomplete");
  return !said.is_array() || said.empty();
}

}  // namespace

std::string run_line(const Run& run) {
  // A ruleset of the user's own has neither services nor a seed.
  const bool ruleset = run.details.contains("ruleset");
  const std::string subject =
      ruleset ? fmt::format("{} rules of {}{}", text_at(run, "/details/ruleset/rules"),
                            text_at(run, "/details/ruleset/family"), is_whole(run) ? "" : " (not whole)")
              : text_at(run, "/run/workload");
  std::string line = fmt::format(
      "{}: {}, {}, svcbench {} ({}), kernel {}, CPU {}{}", without_controls(run.path), run.command, subject,
      text_at(run, "/run/svcbench_version"), text_at(run, "/run/git_revision"),
      text_at(run, "/environment/kernel/release"), text_at(run, "/environment/cpu/model"),
      ruleset ? "" : ", seed " + text_at(run, "/run/seed"));
  const std::string started = started_text(run.run);
  return started.empty() ? line : line + ", " + started;
}

nlohmann::json source_json(const Run& run) {
  // A file may have any name, and JSON is UTF-8.
  return {{"file", without_controls(run.path)}, {"run", run.run}, {"environment", run.environment}};
}

}  // namespace svcbench
