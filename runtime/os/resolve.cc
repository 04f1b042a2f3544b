// See resolve.h.
#include "os/resolve.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace weft::os {

resolve_outcome resolve(const std::string& host, const std::string& service, std::vector<resolved_address>& out,
                        std::string& why) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int refused = ::getaddrinfo(host.c_str(), service.c_str(), &hints, &list);
  if (refused != 0) {
    why = ::gai_strerror(refused);
    switch (refused) {
      case EAI_NONAME: return resolve_outcome::no_such_name;
      case EAI_AGAIN: return resolve_outcome::try_again;
      case EAI_SERVICE: return resolve_outcome::malformed;
      default: return resolve_outcome::failed;
    }
  }
  for (const addrinfo* a = list; a != nullptr; a = a->ai_next) {
    resolved_address one{};
    one.size = std::min<std::size_t>(a->ai_addrlen, one.bytes.size());
    std::memcpy(one.bytes.data(), a->ai_addr, one.size);
    out.push_back(one);
  }
  ::freeaddrinfo(list);
  return resolve_outcome::found;
}

}  // namespace weft::os
