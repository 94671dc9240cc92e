/* A Windows program that hands its work to a server on the host: one program under many names.

   It sends its arguments and folder, prints what comes back and ends with the exit status that
   comes back. server.txt beside it says where the server is: its port, and the word by
   which the server knows it.

   Sent: UTF-8 texts, each ended by a zero: word, name, host's path of drive C, folder, number of
   arguments, arguments. Received: exit status (4 bytes, little-endian), output. */

#include <winsock2.h>
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static SOCKET server;

static void fail(const char *what)
{
    printf("the hand-over to the host failed: %s\n", what);
    exit(3);
}

static void send_all(const char *bytes, size_t count)
{
    while (count > 0) {
        int sent = send(server, bytes, (int)count, 0);
        if (sent <= 0)
            fail("the server does not listen");
        bytes += sent;
        count -= sent;
    }
}

static void send_text(const wchar_t *text)
{
    int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *bytes = malloc(size);
    WideCharToMultiByte(CP_UTF8, 0, text, -1, bytes, size, NULL, NULL);
    send_all(bytes, size);
    free(bytes);
}

/* Where the host keeps drive C; Wine alone can say. */
static void send_drive_c(void)
{
    typedef char *(__cdecl *unix_name_function)(const wchar_t *);
    unix_name_function unix_name = (unix_name_function)(void *)GetProcAddress(
        GetModuleHandleA("kernel32.dll"), "wine_get_unix_file_name");
    char *name = unix_name ? unix_name(L"C:\\") : NULL;
    if (name)
        send_all(name, strlen(name));
    send_all("", 1);
}

static void connect_to_server(const wchar_t *program, char *word)
{
    wchar_t path[32768];
    unsigned port;
    struct sockaddr_in address = {0};
    WSADATA data;
    wcscpy(path, program);
    wcscpy(wcsrchr(path, L'\\') + 1, L"server.txt");
    FILE *file = _wfopen(path, L"r");
    if (!file || fscanf(file, "%u %99s", &port, word) != 2)
        fail("server.txt, which names the server, is not there");
    fclose(file);
    WSAStartup(MAKEWORD(2, 2), &data);
    server = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_family = AF_INET;
    address.sin_port = htons((unsigned short)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(server, (struct sockaddr *)&address, sizeof address) != 0)
        fail("there is no server; does the run that started it still go on?");
}

int wmain(int count, wchar_t **arguments)
{
    wchar_t program[32768], folder[32768], number[16], *name;
    char word[100], buffer[65536];
    unsigned char status[4];
    int received, known = 0;

    GetModuleFileNameW(NULL, program, 32768);
    connect_to_server(program, word);
    send_all(word, strlen(word) + 1);
    name = wcsrchr(program, L'\\') + 1;
    *wcsrchr(name, L'.') = 0;
    send_text(name);
    send_drive_c();
    GetCurrentDirectoryW(32768, folder);
    send_text(folder);
    swprintf(number, 16, L"%d", count - 1);
    send_text(number);
    for (int i = 1; i < count; i++)
        send_text(arguments[i]);
    shutdown(server, SD_SEND);

    HANDLE output = GetStdHandle(STD_OUTPUT_HANDLE);
    while ((received = recv(server, buffer, sizeof buffer, 0)) > 0) {
        char *rest = buffer;
        DWORD written;
        while (known < 4 && received > 0) {
            status[known++] = (unsigned char)*rest++;
            received--;
        }
        if (received > 0)
            WriteFile(output, rest, received, &written, NULL);
    }
    if (known < 4)
        fail("the server did not answer");
    return status[0] | status[1] << 8 | status[2] << 16 | status[3] << 24;
}
