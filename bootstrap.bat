@echo off
rem From a clone to FFCV for Windows, on Windows. "bootstrap.bat --help" says how it is used.
rem A path may hold any character that a file name may. So each one is in quotes, and none is an
rem argument of "call" or part of a command that is read twice.
setlocal EnableExtensions DisableDelayedExpansion

if "%~1"=="/?" goto help
if /i "%~1"=="/h" goto help
if /i "%~1"=="-h" goto help
if /i "%~1"=="--help" goto help

cd /d "%~dp0"
if errorlevel 1 goto no_folder
if defined CONDA_PREFIX goto activated
if defined VIRTUAL_ENV goto activated
rem A 32-bit program on 64-bit Windows sees the real architecture in the second variable.
if /i "%PROCESSOR_ARCHITECTURE%"=="x86" if not defined PROCESSOR_ARCHITEW6432 goto no_64_bit

rem What a user has set for another Python does not count here.
set "PYTHONHOME="
set "PYTHONPATH="
set "PYTHONNOUSERSITE=1"
set "RUNNER=%CD%\.runner"
rem Not Library\bin: its DLLs are for this Python, and not for the one that is built for.
set "PATH=%RUNNER%\Scripts;%PATH%"

rem runner.txt is copied last: where it is, the runner was once complete.
if not exist ".runner\runner.txt" goto make
set "SAME=all(filecmp.cmp('envs/' + n, '.runner/' + n, False) for n in ('bootstrap.yml', 'runner.txt'))"
"%RUNNER%\python.exe" -I -c "import filecmp, sys; sys.exit(not %SAME%)"
if "%ERRORLEVEL%"=="0" goto run

:make
set "MISSING="
for %%T in (curl.exe tar.exe certutil.exe) do if "%%~$PATH:T"=="" set "MISSING=%%T"
if defined MISSING goto no_program
copy /y bootstrap.bat bootstrap.tmp >nul 2>nul
if not exist bootstrap.tmp goto read_only
del bootstrap.tmp

rem The cache is where tasks/core/project.py has it.
set "CACHE=%FFCVWIN_CACHE%"
if not defined CACHE if defined LOCALAPPDATA set "CACHE=%LOCALAPPDATA%\ffcv-windows\Cache"
if not defined CACHE set "CACHE=%USERPROFILE%\AppData\Local\ffcv-windows\Cache"
for %%I in ("%CACHE%") do set "CACHE=%%~fI"

rem The first url below "micromamba:", and the first sha256 below that.
set "BELOW="
set "URL="
set "SHA256="
for /f "tokens=1-3" %%A in (config.yaml) do (
    if not defined BELOW if "%%A%%B"=="micromamba:" set "BELOW=1"
    if defined BELOW if not defined URL if "%%B"=="url:" set "URL=%%C"
    if defined URL if not defined SHA256 if "%%A"=="sha256:" set "SHA256=%%B"
)
if not defined SHA256 goto no_pin

set "FOLDER=%CACHE%\downloads\%SHA256%"
set "EXE=%FOLDER%\micromamba-win-64.exe"
if not exist "%FOLDER%" mkdir "%FOLDER%" 2>nul
if not exist "%FOLDER%" goto no_cache
if not exist "%EXE%" goto download
set "FILE=%EXE%"
call :hash
if /i "%HASH%"=="%SHA256%" goto create
del "%EXE%"

:download
echo downloading micromamba-win-64.exe
rem Behind many a company's proxy no certificate can be looked up as revoked; the hash is pinned.
curl.exe --ssl-no-revoke --fail --location --retry 3 --silent --show-error --output "%EXE%.part" "%URL%"
if not "%ERRORLEVEL%"=="0" goto no_download
set "FILE=%EXE%.part"
call :hash
if /i not "%HASH%"=="%SHA256%" goto wrong_hash
rem What the release says of itself, if it says something.
set "TOLD=%FOLDER%\micromamba-win-64.sha256.part"
set "HASH="
curl.exe --ssl-no-revoke --fail --location --silent --max-time 30 --output "%TOLD%" "%URL:.exe=.sha256%"
if not exist "%TOLD%" goto verified
for /f "usebackq" %%H in ("%TOLD%") do if not defined HASH set "HASH=%%H"
del "%TOLD%"
if not defined HASH goto verified
set "HASH=%HASH:"=%"
if not defined HASH goto verified
rem Anything but 64 characters is no hash: a proxy's page, for instance.
set "LAST=%HASH:~63,1%"
set "REST=%HASH:~64%"
if not defined LAST goto verified
if defined REST goto verified
if /i not "%HASH%"=="%SHA256%" goto wrong_hash
:verified
move /y "%EXE%.part" "%EXE%" >nul

:create
echo making the Python that runs doit, in .runner
if exist .runner rmdir /s /q .runner
if exist .runner goto in_use
setlocal
rem Without a root prefix of its own Micromamba would use the one in %%APPDATA%%\mamba.
set "MAMBA_ROOT_PREFIX=%CACHE%\mamba"
set "CONDA_PKGS_DIRS=%CACHE%\pkgs"
rem Settings for other environments would change this one. Those for the network stay.
for %%P in (CONDA MAMBA) do for /f "delims==" %%V in ('set %%P') do call :forget %%V
"%EXE%" create --no-rc --yes --root-prefix "%CACHE%\mamba" --prefix "%RUNNER%" --file envs\bootstrap.yml
if not "%ERRORLEVEL%"=="0" goto no_runner
endlocal
echo installing the pinned requirements into .runner
set "PIP_REQUIRE_VIRTUALENV="
set "PIP_PREFIX="
set "PIP_TARGET="
set "PIP_USER="
"%RUNNER%\python.exe" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r envs\runner.txt
if not "%ERRORLEVEL%"=="0" goto no_requirements
copy /y envs\bootstrap.yml .runner\bootstrap.yml >nul
copy /y envs\runner.txt .runner\runner.txt >nul

:run
if /i "%~1"=="test" goto test
"%RUNNER%\python.exe" -m doit %*
exit /b %ERRORLEVEL%

:test
rem Whatever stands after the word, as it was typed: "shift" would split at "=" and ",".
set WORDS=%*
set WORDS=%WORDS:*test=%
if /i "%~2"=="fast" set WORDS=-m "not integration" %WORDS:*fast=%
"%RUNNER%\python.exe" -m pytest -n auto %WORDS%
exit /b %ERRORLEVEL%

rem --- The sha256 of FILE -> HASH. Older Windows puts spaces between its bytes.
:hash
set "HASH="
certutil.exe -hashfile "%FILE%" SHA256 >"%FOLDER%\hash.part"
for /f "usebackq skip=1 delims=" %%H in ("%FOLDER%\hash.part") do if not defined HASH set "HASH=%%H"
del "%FOLDER%\hash.part"
if defined HASH set "HASH=%HASH: =%"
exit /b 0

:forget
for %%N in (MAMBA_CHANNEL_ALIAS MAMBA_SSL_VERIFY MAMBA_SSL_NO_REVOKE MAMBA_CACERT_PATH) do if /i "%1"=="%%N" exit /b 0
if /i "%1"=="MAMBA_ROOT_PREFIX" exit /b 0
if /i "%1"=="CONDA_PKGS_DIRS" exit /b 0
set "%1="
exit /b 0

:help
echo From a clone to FFCV for Windows, on Windows 10 (1803) or later:
echo.
echo   bootstrap.bat            the whole build
echo   bootstrap.bat test       the tests; "test fast": those that take no more than two minutes
echo   bootstrap.bat ARG ...    anything else goes on to doit: list, info, clean, verify, ...
echo.
echo It needs curl and tar, which Windows has. Micromamba and packages go to the cache,
echo %%LOCALAPPDATA%%\ffcv-windows\Cache or FFCVWIN_CACHE; the rest stays in this folder.
echo Safe to run again: what is there already is not made again.
exit /b 0

:no_folder
>&2 echo bootstrap: "%~dp0" cannot be the current folder; is it a network folder? Copy it to a drive, then run this again
exit /b 1

:activated
>&2 echo bootstrap: a Python environment is activated: "%CONDA_PREFIX%%VIRTUAL_ENV%"; open a new Command Prompt, not one of Anaconda's, then run this again
exit /b 1

:no_64_bit
>&2 echo bootstrap: this is a 32-bit Windows; FFCV and PyTorch need a 64-bit one
exit /b 1

:no_program
>&2 echo bootstrap: %MISSING% was not found; Windows 10 version 1803 and later have it in %%SystemRoot%%\System32: update Windows, or see that this folder is on PATH
exit /b 1

:read_only
>&2 echo bootstrap: "%CD%" cannot be written; copy it to a folder of your own, then run this again
exit /b 1

:no_cache
>&2 echo bootstrap: "%FOLDER%" cannot be made; set FFCVWIN_CACHE to a folder that can be written, then run this again
exit /b 1

:no_pin
>&2 echo bootstrap: config.yaml has no url with a sha256 below it for micromamba; restore the file, then run this again
exit /b 1

:no_download
>&2 echo bootstrap: micromamba-win-64.exe could not be downloaded from "%URL%"; is the network there? Behind a proxy, set HTTPS_PROXY. Then run this again
if exist "%EXE%.part" del "%EXE%.part"
exit /b 1

:wrong_hash
del "%EXE%.part"
>&2 echo bootstrap: micromamba-win-64.exe from "%URL%" is not the expected file and was discarded: sha256 %HASH:~0,12%... instead of %SHA256:~0,12%..., it was replaced at its source, or altered on the way; behind a proxy, look at what the proxy answers
exit /b 1

:in_use
>&2 echo bootstrap: "%RUNNER%" cannot be removed; close the programs that use it, then run this again
exit /b 1

:no_runner
>&2 echo bootstrap: Micromamba could not make the Python that runs doit; see its last lines above. Is the network there, and does the disk have room? Then run this again
exit /b 1

:no_requirements
>&2 echo bootstrap: the requirements could not be installed; is the network there? Run this again to go on
exit /b 1
