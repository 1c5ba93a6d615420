// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Files of web/ and the plotting library, as they were when svcbench was built (web/CMakeLists.txt).
#pragma once

#include <string_view>

namespace svcbench::html {

struct Assets {
  std::string_view page;     // the template
  std::string_view style;    //
  std::string_view library;  // Chart.js
  std::string_view licence;  // of the library
  std::string_view format;   // scripts, in the order in which they run
  std::string_view figure;
  std::string_view build;
  std::string_view counted;  // docs/results/counted.json
};

[[nodiscard]] const Assets& assets();

}  // namespace svcbench::html
