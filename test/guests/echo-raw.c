// Replies with the exact bytes of the request's message as the body: what the guest saw.
#include "guest.h"

ENTRY {
  take_request();
  reply(200, message.at, message.length);
}
