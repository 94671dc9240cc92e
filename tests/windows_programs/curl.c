/* A stand-in for curl.exe, which Wine lacks: it really downloads, over plain HTTP, and ends with
   curl's exit statuses for what can go wrong (man curl, EXIT CODES). It knows the options that
   bootstrap.bat gives. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <winsock2.h>

static int silent, show_error;

static int failed(int status, const char *reason) {
    if (!silent || show_error) fprintf(stderr, "curl: (%d) %s\n", status, reason);
    return status;
}

int main(int argc, char **argv) {
    const char *output = NULL, *url = "";
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--output")) output = argv[++i];
        else if (!strcmp(argv[i], "--retry") || !strcmp(argv[i], "--max-time")) i++;
        else if (!strcmp(argv[i], "--silent")) silent = 1;
        else if (!strcmp(argv[i], "--show-error")) show_error = 1;
        else if (argv[i][0] != '-') url = argv[i];
    }
    char host[256], path[1024] = "/";
    int port = 80;
    if (sscanf(url, "http://%255[^:/]:%d%1023s", host, &port, path) < 2 || !output) {
        return failed(3, "URL rejected");
    }
    WSADATA data;
    WSAStartup(MAKEWORD(2, 2), &data);
    SOCKET server = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = inet_addr(host);
    if (connect(server, (struct sockaddr *)&address, sizeof address)) {
        return failed(7, "Could not connect to server");
    }
    char buffer[1 << 14];
    int length = snprintf(buffer, sizeof buffer, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, host);
    send(server, buffer, length, 0);
    int got, have = 0;
    char *body = NULL;
    while (!body && (got = recv(server, buffer + have, sizeof buffer - 1 - have, 0)) > 0) {
        buffer[have += got] = 0;
        body = strstr(buffer, "\r\n\r\n");
    }
    if (!body) return failed(52, "Empty reply from server");
    body += 4;
    int status = atoi(buffer + 9);
    if (status >= 400) return failed(22, "The requested URL returned error");
    char *size = strstr(buffer, "Content-Length: ");
    long expected = size ? atol(size + 16) : -1, received = have - (body - buffer);
    FILE *out = fopen(output, "wb");
    if (!out) return failed(23, "Failure writing output to destination");
    fwrite(body, 1, received, out);
    for (; (got = recv(server, buffer, sizeof buffer, 0)) > 0; received += got) {
        fwrite(buffer, 1, got, out);
    }
    fclose(out);
    if (expected >= 0 && received < expected) return failed(18, "transfer closed with data left");
    return 0;
}
