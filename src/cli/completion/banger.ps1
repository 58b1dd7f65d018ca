# Completion of banger for PowerShell. Made by: banger completion powershell

Register-ArgumentCompleter -Native -CommandName banger -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $typed = @($commandAst.CommandElements |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        Select-Object -Skip 1 |
        ForEach-Object { $_.Extent.Text.Trim("'", '"') })
    $typed += $wordToComplete.Trim("'", '"')
    # An empty word is lost on its way to a program unless it is quoted.
    $words = $typed | ForEach-Object { if ($_ -eq '' -and $PSVersionTable.PSVersion.Major -lt 7) { '""' } else { $_ } }
    $program = Get-Command -Name banger -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1
    if ($null -eq $program) { return }
    $answer = @(& $program internal complete '--' $words 2>$null)

    $answer | Select-Object -Skip 1 | ForEach-Object {
        $word, $about = $_ -split "`t", 2
        if ($word.StartsWith($typed[-1])) {
            # In single quotes PowerShell obeys nothing but the quote itself.
            $text = if ($word -match '^[A-Za-z0-9._=:/-]+$') { $word } else { "'" + $word.Replace("'", "''") + "'" }
            if (-not $about) { $about = $word }
            [System.Management.Automation.CompletionResult]::new($text, $word, 'ParameterValue', $about)
        }
    }
    if ($answer[0] -ne 'nothing') {
        [System.Management.Automation.CompletionCompleters]::CompleteFilename($wordToComplete)
    }
}
