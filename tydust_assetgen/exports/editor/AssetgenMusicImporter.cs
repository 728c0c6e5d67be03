// Sets the import settings of music that assetgen made, by the file assetgen.unity.json in its asset tree.
// It lies in a folder named Editor. `assetgen unity-script` wrote it; it is yours to change.
using System;
using System.Collections.Generic;
using System.IO;
using UnityEditor;
using UnityEngine;

public sealed class AssetgenMusicImporter : AssetPostprocessor
{
    const string ListName = "assetgen.unity.json";
    const string LoopLabel = "assetgen-loop";

    [Serializable]
    sealed class Clip
    {
        public string path = "";
        public string slot = "";
        public bool loop = false;
        public bool stream = false;
        public int loopStart = 0;
        public int loopEnd = 0;
        public float seconds = 0;
        public float bpm = 0;
    }

    [Serializable]
    sealed class ClipList
    {
        public int assetgen_unity = 0;
        public List<Clip> clips = new List<Clip>();
    }

    void OnPreprocessAudio()
    {
        Clip clip = Find(assetPath);
        if (clip == null)
        {
            return;
        }
        var importer = (AudioImporter)assetImporter;
        AudioImporterSampleSettings settings = importer.defaultSampleSettings;
        settings.loadType = clip.stream ? AudioClipLoadType.Streaming : AudioClipLoadType.DecompressOnLoad;
        settings.compressionFormat = AudioCompressionFormat.Vorbis;
        settings.sampleRateSetting = AudioSampleRateSetting.PreserveSampleRate;
        importer.defaultSampleSettings = settings;
        importer.loadInBackground = true;
        importer.forceToMono = false;
        importer.userData = JsonUtility.ToJson(clip);
    }

    static void OnPostprocessAllAssets(string[] imported, string[] deleted, string[] moved, string[] movedFrom)
    {
        foreach (string path in imported)
        {
            if (Path.GetFileName(path) == ListName)
            {
                Reimport(path);
                continue;
            }
            Clip clip = Find(path);
            if (clip != null)
            {
                Label(path, clip.loop);
            }
        }
    }

    // Unity keeps looping on the AudioSource, not on the clip: the label tells which clips are to loop.
    static void Label(string path, bool loop)
    {
        UnityEngine.Object asset = AssetDatabase.LoadMainAssetAtPath(path);
        if (asset == null)
        {
            return;
        }
        var labels = new List<string>(AssetDatabase.GetLabels(asset));
        bool has = labels.Contains(LoopLabel);
        if (has == loop)
        {
            return;
        }
        if (loop)
        {
            labels.Add(LoopLabel);
        }
        else
        {
            labels.Remove(LoopLabel);
        }
        AssetDatabase.SetLabels(asset, labels.ToArray());
    }

    static void Reimport(string listPath)
    {
        string folder = Folder(listPath);
        foreach (Clip clip in Read(listPath).clips)
        {
            string path = folder + clip.path;
            AssetImporter importer = AssetImporter.GetAtPath(path);
            if (importer != null && importer.userData != JsonUtility.ToJson(clip))
            {
                importer.SaveAndReimport();
            }
        }
    }

    static Clip Find(string path)
    {
        string folder = Folder(path);
        while (folder.Length > 0)
        {
            if (File.Exists(folder + ListName))
            {
                return Read(folder + ListName).clips.Find(clip => folder + clip.path == path);
            }
            folder = Folder(folder.TrimEnd('/'));
        }
        return null;
    }

    static ClipList Read(string path)
    {
        ClipList list = JsonUtility.FromJson<ClipList>(File.ReadAllText(path));
        return list != null && list.assetgen_unity == 1 ? list : new ClipList();
    }

    static string Folder(string path)
    {
        return path.Substring(0, path.LastIndexOf('/') + 1);
    }
}
