// See content_type.h.
#include "content_type.h"

#include <array>
#include <utility>

#include "text.h"

namespace httpd {

std::string_view content_type_of(std::string_view path) noexcept {
  using pair = std::pair<std::string_view, std::string_view>;
  constexpr std::array types{
      pair{".html", "text/html; charset=utf-8"},
      pair{".htm", "text/html; charset=utf-8"},
      pair{".txt", "text/plain; charset=utf-8"},
      pair{".md", "text/markdown; charset=utf-8"},
      pair{".css", "text/css; charset=utf-8"},
      pair{".js", "text/javascript; charset=utf-8"},
      pair{".json", "application/json"},
      pair{".xml", "application/xml"},
      pair{".pdf", "application/pdf"},
      pair{".wasm", "application/wasm"},
      pair{".gz", "application/gzip"},
      pair{".zip", "application/zip"},
      pair{".png", "image/png"},
      pair{".jpg", "image/jpeg"},
      pair{".jpeg", "image/jpeg"},
      pair{".gif", "image/gif"},
      pair{".svg", "image/svg+xml"},
      pair{".webp", "image/webp"},
      pair{".ico", "image/x-icon"},
      pair{".mp4", "video/mp4"},
      pair{".mp3", "audio/mpeg"},
      pair{".woff2", "font/woff2"},
  };
  for (const auto& [ending, type] : types)
    if (path.size() >= ending.size() && equal_but_for_case(path.substr(path.size() - ending.size()), ending))
      return type;
  return "application/octet-stream";
}

}  // namespace httpd
