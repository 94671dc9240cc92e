/* A stand-in for "certutil -hashfile FILE SHA256", which Wine lacks: it really hashes the file,
   and prints what Windows prints. */

#include <stdio.h>
#include <string.h>
#include <windows.h>
#include <bcrypt.h>

int main(int argc, char **argv) {
    if (argc != 4 || strcmp(argv[1], "-hashfile") || strcmp(argv[3], "SHA256")) return 1;
    FILE *file = fopen(argv[2], "rb");
    if (!file) {
        printf("CertUtil: -hashfile command FAILED: 0x80070002 (WIN32: 2 ERROR_FILE_NOT_FOUND)\n");
        return 1;
    }
    BCRYPT_ALG_HANDLE algorithm;
    BCRYPT_HASH_HANDLE hash;
    BCryptOpenAlgorithmProvider(&algorithm, BCRYPT_SHA256_ALGORITHM, NULL, 0);
    BCryptCreateHash(algorithm, &hash, NULL, 0, NULL, 0, 0);
    unsigned char buffer[1 << 14], digest[32];
    for (size_t got; (got = fread(buffer, 1, sizeof buffer, file));) {
        BCryptHashData(hash, buffer, (ULONG)got, 0);
    }
    BCryptFinishHash(hash, digest, sizeof digest, 0);
    printf("SHA256 hash of %s:\n", argv[2]);
    for (int i = 0; i < 32; i++) printf("%02x", digest[i]);
    printf("\nCertUtil: -hashfile command completed successfully.\n");
    return 0;
}
