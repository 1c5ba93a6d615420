// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/html/assets.h"

#include <cstddef>

// From the assembler's .incbin: where each file begins, and where it ends.
#define SVCB_ASSET(name)                       \
  extern "C" const char svcbench_asset_##name; \
  extern "C" const char svcbench_asset_##name##_end;
SVCB_ASSET(page)
SVCB_ASSET(style)
SVCB_ASSET(library)
SVCB_ASSET(licence)
SVCB_ASSET(format)
SVCB_ASSET(figure)
SVCB_ASSET(build)
SVCB_ASSET(counted)
#undef SVCB_ASSET

namespace svcbench::html {

namespace {

std::string_view between(const char& begin, const char& end) {
  return {&begin, static_cast<std::size_t>(&end - &begin)};
}

}  // namespace

const Assets& assets() {
  static const Assets all{
      between(svcbench_asset_page, svcbench_asset_page_end),
      between(svcbench_asset_style, svcbench_asset_style_end),
      between(svcbench_asset_library, svcbench_asset_library_end),
      between(svcbench_asset_licence, svcbench_asset_licence_end),
      between(svcbench_asset_format, svcbench_asset_format_end),
      between(svcbench_asset_figure, svcbench_asset_figure_end),
      between(svcbench_asset_build, svcbench_asset_build_end),
      between(svcbench_asset_counted, svcbench_asset_counted_end),
  };
  return all;
}

}  // namespace svcbench::html
