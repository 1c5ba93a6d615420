// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/confirmation_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>

#include "report/diff_report.h"
#include "report/quantity.h"
#include "report/text_table.h"
#include "service/text.h"

namespace svcbench {

namespace {

constexpr std::size_t most_shown = 20;

std::string refuted_table(const Confirmation& found, bool all) {
  TextTable table({{"not confirmed", TextTable::Align::left}, {"run"}, {"rerun"}, {"rerun / run"}});
  const std::size_t shown = all ? found.refuted.size() : std::min(most_shown, found.refuted.size());
  for (const Changed* one : std::span(found.refuted).first(shown)) {
    table.add({one->after->id, quantity(one->before->value, one->before->unit),
               quantity(one->after->value, one->after->unit), ratio_text(one->ratio)});
  }
  return table.text() + (shown < found.refuted.size() ? fmt::format("... and {} more: --all\n",
                                                                    grouped(found.refuted.size() - shown))
                                                      : "");
}

std::string claims_text(const Confirmation& found) {
  const auto same = std::count_if(found.claims.begin(), found.claims.end(),
                                  [](const auto& claim) { return claim.before == claim.after; });
  std::string out =
      wrapped(fmt::format("{} of {} claims have the verdict that they had.", same, found.claims.size()), 0);
  for (const auto& claim : found.claims) {
    if (claim.before != claim.after) {
      out += wrapped(fmt::format("  {}: {} in the run, {} in the rerun", claim.claim,
                                 to_string(claim.before), to_string(claim.after)),
                     2);
    }
  }
  return out;
}

std::string verdict_line(const RunDiff& diff, const Confirmation& found) {
  if (found.judged() == 0) {
    return "NOT CONFIRMED: no figure could be judged: none has an interval that says something in both "
           "runs "
           "(six repeats are needed: --rounds), or the machine's speed changed.";
  }
  const double share =
      100.0 * static_cast<double>(found.confirmed.size()) / static_cast<double>(found.judged());
  std::string line = fmt::format(
      "{}: {} of {} figures ({:.1f} %) are confirmed: the 95 % interval of rerun / run{} holds 1.",
      found.holds() ? "CONFIRMED" : "NOT CONFIRMED", grouped(found.confirmed.size()),
      grouped(found.judged()), share,
      diff.options.absolute ? "" : ", each a multiple of known work in its own run,");
  if (!found.not_judged.empty()) {
    line += fmt::format(
        " {} more could not be judged: they have no interval, or are held against nothing while the "
        "machine's speed changed.",
        grouped(found.not_judged.size()));
  }
  return line;
}

}  // namespace

std::string render_confirmation(const RunDiff& diff, bool all) {
  const Confirmation found = confirmation_of(diff);
  std::string out = wrapped("Run:   " + run_line(diff.before), 0);
  out += wrapped("Rerun: " + run_line(diff.after), 0);
  if (!diff.notes.empty()) {
    out += wrapped(fmt::format("Not the same either: {}", fmt::join(diff.notes, ", ")), 0);
  }
  if (const std::string machine = machine_line(diff); !machine.empty()) {
    out += "\n" + wrapped(machine, 0);
  }
  if (!found.refuted.empty()) {
    out += "\n" + refuted_table(found, all);
  }
  if (!found.claims.empty()) {
    out += "\n" + claims_text(found);
  }
  return out + "\n" + wrapped(verdict_line(diff, found), 0);
}

}  // namespace svcbench
