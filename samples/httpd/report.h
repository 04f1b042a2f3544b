// What the server and the runtime have done, in words.
#pragma once

#include <chrono>
#include <string>

#include <weft/runtime.h>

#include "server.h"

namespace httpd {

std::string report(const server_figures& f, std::chrono::duration<double> elapsed, const weft::runtime& rt);

}  // namespace httpd
