// Makes a server whose accept fails for good, of the objects of echo: this definition comes before the C library's.
#include <cerrno>

#include <sys/socket.h>

extern "C" int accept(int, sockaddr*, socklen_t*) {
  errno = EPERM;
  return -1;
}
